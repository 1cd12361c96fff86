"""One file per worker process on this machine, locked for as long as it lives.

A lock goes with its process, so whoever gets the lock of another's file knows at once that it is dead, without waiting
for its heartbeat to be missed. A process that was paused keeps its lock. What the file holds says how it died: Python's
fault handler writes a traceback into it on a crash in native code, and we do before we end a hung process. An empty
file means that somebody else ended it (SIGKILL, power): not the fault of what it was transcribing.
"""

import faulthandler
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """A worker on this machine that is gone. ``crashed``: by what it was doing."""

    worker_id: str
    crashed: bool


class RunFile:
    """This process's own file."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{worker_id}{SUFFIX}"
        hidden = self._path.with_suffix(".new")
        self._file: BinaryIO = hidden.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        hidden.rename(self._path)  # only now can others see it
        faulthandler.enable(self._file)

    def blame(self, reason: str) -> None:
        """Say that what is running is about to end the process."""
        os.write(self._file.fileno(), reason.encode())
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Leave in order."""
        faulthandler.disable()
        self._path.unlink(missing_ok=True)
        self._file.close()


def find_dead(folder: Path, *, but: str) -> list[Death]:
    """Workers of this machine whose lock is free, except this one. Their files stay until :func:`forget`."""
    paths = [path for path in folder.glob(f"*{SUFFIX}") if path.stem != but]
    return [death for path in paths if (death := _examine(path)) is not None]


def forget(folder: Path, death: Death) -> None:
    """Its work was given to others."""
    (folder / f"{death.worker_id}{SUFFIX}").unlink(missing_ok=True)


def _examine(path: Path) -> Death | None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Death(worker_id=path.stem, crashed=bool(file.read(1)))
    except (BlockingIOError, FileNotFoundError):
        return None
