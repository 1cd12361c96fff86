"""Silero VAD v6 in compiled Python: one pass over a stream, the same numbers however it is divided."""
