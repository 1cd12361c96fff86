"""The HTTP API: streamed uploads in, task figures and streamed transcripts out."""
