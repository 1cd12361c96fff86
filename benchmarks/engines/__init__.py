"""This project's engine in its modes, and its peers, on the same audio and the same weights."""
