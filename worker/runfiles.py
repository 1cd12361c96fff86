"""One file per worker process on this machine, locked for as long as it lives.

A lock goes with its process, so whoever gets the lock of another's file knows at once that it is dead, without waiting
for its heartbeat to be missed. A process that was paused keeps its lock. What the file holds says how it died.

The first line counts how often the kernel has killed anybody because memory ran short, as of the last second of this
process's life; where it has done so once more, it was this one. Python's fault handler adds a traceback on a crash in
native code, and we add a word before we end a hung process. Where there is nothing of the kind somebody else ended it
(SIGKILL, power), which is not the fault of what it was transcribing.
"""

import asyncio
import faulthandler
import fcntl
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from worker.memory_kills import memory_kills

SUFFIX = ".run"
WATCH_SECONDS = 1.0
HEADER = b"%020d\n"
HEADER_BYTES = len(HEADER % 0)


class Cause(StrEnum):
    """Why a worker is gone."""

    LEFT = "left"  # in order
    OUTSIDE = "outside"  # killed by somebody, or its machine went away
    CRASHED = "crashed"  # by what it was doing: a crash in native code, or it hung
    MEMORY = "memory"  # killed by the kernel, because memory ran short

    @property
    def blamed(self) -> bool:
        """Whether what it was doing is held to be the reason."""
        return self in {Cause.CRASHED, Cause.MEMORY}


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """A worker on this machine that is gone."""

    worker_id: str
    cause: Cause


class RunFile:
    """This process's own file."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{worker_id}{SUFFIX}"
        hidden = self._path.with_suffix(".new")
        self._file: BinaryIO = hidden.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.write(self._file.fileno(), HEADER % memory_kills())
        hidden.rename(self._path)  # only now can others see it
        faulthandler.enable(self._file)

    async def watch(self) -> None:
        """Keep the count of memory kills, for ever: one that comes later than this process's last second is its own."""
        while True:
            os.pwrite(self._file.fileno(), HEADER % memory_kills(), 0)  # what is written at the end stays where it is
            await asyncio.sleep(WATCH_SECONDS)

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
            return Death(worker_id=path.stem, cause=_cause(file.read(HEADER_BYTES + 1)))
    except (BlockingIOError, FileNotFoundError):
        return None


def _cause(content: bytes) -> Cause:
    if len(content) > HEADER_BYTES:
        return Cause.CRASHED
    if len(content) == HEADER_BYTES and memory_kills() > int(content):
        return Cause.MEMORY
    return Cause.OUTSIDE
