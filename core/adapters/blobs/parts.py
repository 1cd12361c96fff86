"""Unfinished files, and which of them are nobody's any more.

Several machines may share the directory. Each file's name begins with the kernel on which its writer runs. On that
kernel the writer's lock tells whether it lives: the kernel frees it with the process, however that ends, and keeps it
while the process is paused. What another machine writes is judged by its age alone, so no lock has to reach across the
network (over NFS they need a service that may be missing, and are lost when the server is away for a while).
"""

import errno
import fcntl
import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PARTS = ".parts"
PART_SECONDS = 24 * 3600  # longer than any upload lasts
_NO_LOCKS = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENOLCK})
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def kernel() -> str:
    """Names the running kernel: the same in all containers of a machine, another one after it started anew."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return socket.gethostname()


def new_part(folder: Path) -> tuple[Path, BinaryIO]:
    """An empty file that is ours: :func:`remove_dead_parts` of any process on any machine leaves it alone."""
    while True:
        path = folder / f"{kernel()}.{uuid4().hex}"
        file = path.open("xb")
        try:
            _lock(file)
            if path.exists():  # else it was taken for a dead one's, between its making and its lock
                return path, file
        except BaseException:
            path.unlink(missing_ok=True)
            file.close()
            raise
        file.close()


def remove_dead_parts(folder: Path) -> None:
    """Remove what nobody is writing any more. A file that cannot be looked at stays."""
    now = cache(lambda: _clock(folder))
    for path in folder.iterdir():
        try:
            with path.open("r+b") as file:  # a lock on NFS needs the right to write
                ours = path.name.startswith(f"{kernel()}.")
                if _unlocked(file, now) if ours else _is_old(file, now):
                    path.unlink(missing_ok=True)
        except OSError:
            continue


def _lock(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _unlocked(file: BinaryIO, now: Callable[[], float]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return _is_old(file, now)
    return True


def _is_old(file: BinaryIO, now: Callable[[], float]) -> bool:
    """Not written to for a day."""
    return now() - os.fstat(file.fileno()).st_mtime > PART_SECONDS


def _clock(folder: Path) -> float:
    """The time of whoever keeps the directory, which dates the files; this machine's may differ."""
    path, file = new_part(folder)
    with file:
        path.unlink(missing_ok=True)
        return os.fstat(file.fileno()).st_mtime
