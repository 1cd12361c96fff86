"""Inner loops, compiled for this processor when they are first called and kept on disk."""
