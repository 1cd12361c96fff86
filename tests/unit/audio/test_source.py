"""What a decoder is told by the file that it reads."""

import io
from pathlib import Path

import pytest

from core.audio.source import Source, UnreadError


class Failing(io.FileIO):
    """On a share that has gone away."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError(5, "Input/output error")

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError(116, "Stale file handle")


def test_a_share_that_fails_is_no_damage(tmp_path: Path) -> None:
    """Reading and looking for a place alike."""
    (path := tmp_path / "x").write_bytes(b"audio")
    with Failing(path) as file:
        for act in (lambda: Source(file, "x").read(1), lambda: Source(file, "x").seek(0)):
            with pytest.raises(UnreadError):
                act()


def test_an_offset_that_no_file_has_is_damage(tmp_path: Path) -> None:
    """A file says so of itself: it would be tried again for ever."""
    (path := tmp_path / "x").write_bytes(b"audio")
    with io.FileIO(path) as file, pytest.raises(OSError, match="Invalid argument"):
        Source(file, "x").seek(-1)
