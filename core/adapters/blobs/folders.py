"""Folders that come and go under concurrent writers and deletes, and whose entries outlive a power cut."""

import os
import stat
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

_TRIES = 10


def make_folder(folder: Path) -> set[Path]:
    """Make it with its parents. Returns the folders that got a new entry by that, which are to be synced."""
    missing = list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    return {path.parent for path in missing}


def move_into_place(part: Path, target: Path) -> None:
    """Rename, and force every new entry on the way to disk.

    A concurrent delete may remove the emptied folder at any moment: while its parents are made (which then fails in
    either of two ways), or before the file is in it. A network file system whose answer was lost asks again, and is
    told that the file is gone: then it is in its place already.
    """
    inode = part.stat().st_ino
    changed = {target.parent}
    for left in reversed(range(_TRIES)):
        try:
            changed |= make_folder(target.parent)
            part.replace(target)
            break
        except (FileNotFoundError, FileExistsError):
            if _inode(target) == inode:
                break
            if not left:
                raise
    for folder in sorted(changed):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Force its entries to disk, if it is still there."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_empty(folder: Path, root: Path) -> None:
    """Remove folders that are empty, upwards. Those directly under the root stay: every writer needs them."""
    while root not in {folder, folder.parent}:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def walk(start: Path) -> Iterator[list[tuple[Path, os.stat_result]]]:
    """Regular files with their status, folder by folder; what vanishes meanwhile is left out, as are hidden names."""
    for folder, folders, names in os.walk(start, onerror=_unless_gone):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(folder, name) for name in names if not name.startswith(".")]
        found = [(path, _status(path)) for path in paths]
        yield [(path, status) for path, status in found if status is not None and stat.S_ISREG(status.st_mode)]


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _inode(path: Path) -> int | None:
    status = _status(path)
    return status.st_ino if status else None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
