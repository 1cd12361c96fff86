"""Unfinished files: each is locked by the process that writes it, so that what a dead one left is known at once.

The kernel frees a lock with its process, however that ends; a process that is paused keeps it. Where the directory is
shared among machines they must see each other's locks, as NFS 4 has them.
"""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PARTS = ".parts"
PART_SECONDS = 24 * 3600  # where the file system has no locks: longer than any upload lasts
_NO_LOCKS = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


def new_part(folder: Path) -> tuple[Path, BinaryIO]:
    """An empty file that is ours: :func:`remove_dead_parts` of any process leaves it alone."""
    while True:
        path = folder / uuid4().hex
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
    for path in folder.iterdir():
        try:
            with path.open("r+b") as file:  # a lock on NFS needs the right to write
                if _is_dead(file):
                    path.unlink(missing_ok=True)
        except OSError:
            continue


def _lock(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_dead(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return time.time() - os.fstat(file.fileno()).st_mtime > PART_SECONDS
    return True
