"""Copies of blobs on the local disk, for who needs a file.

A process that is killed leaves its copies. They are found and removed as unfinished files are, by their free locks.
"""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from obstore import Bytes

from core.adapters.blobs.faults import disk_translated
from core.adapters.blobs.parts import new_part, remove_dead_parts

COPIES = "copies"  # a folder of their own: what is old there is removed


def remove_dead_copies(scratch: Path) -> None:
    """Those that processes left which are gone. A directory that cannot be looked at stays as it is."""
    with suppress(OSError):
        remove_dead_parts(scratch / COPIES)


class Copy:
    """One, in ``scratch``. Its methods block; each but :meth:`discard` raises ``TransientError`` for a disk's fault."""

    path: Path

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._name = f"the scratch directory {scratch}"
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        """Make it, empty, once the dead have left their room."""
        remove_dead_copies(self._scratch)
        with disk_translated(self._name):
            folder = self._scratch / COPIES
            folder.mkdir(parents=True, exist_ok=True)
            self.path, self._file = new_part(folder)

    def append(self, piece: Bytes) -> None:
        """Add what comes next. Who opens the file finds all of it."""
        assert self._file is not None
        with disk_translated(self._name):
            self._file.write(piece)
            self._file.flush()

    def discard(self) -> None:
        """Leave nothing behind; what cannot be removed now is nobody's and goes with the next cleaning."""
        if self._file is None:
            return
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk refuses the last flush; the file is closed anyway
            self._file.close()
