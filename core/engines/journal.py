"""A line for every attempt at a window, in a file that several processes append to."""

import os
from pathlib import Path


class Journal:
    """``pid sha256`` lines. A line is written with one ``write`` on a descriptor opened for appending: never mixed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, digest: str) -> None:
        """Record one attempt of this process."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, f"{os.getpid()} {digest}\n".encode())
        finally:
            os.close(descriptor)

    def count(self, digest: str) -> int:
        """How many attempts at one window are recorded."""
        return sum(1 for line in self.lines() if line.split()[-1:] == [digest])

    def lines(self) -> list[str]:
        """All lines so far; none where there is no file yet."""
        try:
            return self._path.read_text().splitlines()
        except FileNotFoundError:
            return []
