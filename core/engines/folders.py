"""Model folders that appear whole or not at all, however many processes make them at once."""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import StorageFullError

_STALE_SECONDS = 6 * 3600  # a half-made folder older than this was left by a process that died


def make_folder(target: Path, fill: Callable[[Path], None]) -> Path:
    """``target``, filled by ``fill`` in a scratch folder beside it and then renamed into place.

    If another process finishes the same folder first, its folder stays and ours is thrown away. Raises whatever
    ``fill`` raises, ``StorageFullError``, or ``OSError`` where the parent cannot be written; leaves nothing behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    scratch = target.parent / f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    scratch.mkdir()
    try:
        fill(scratch)
        _move(scratch, target)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFullError(f"No room left for the model in {target.parent}; free some space there.") from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _move(scratch: Path, target: Path) -> None:
    try:
        scratch.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _sweep(target: Path) -> None:
    for left in target.parent.glob(f".{target.name}.*.tmp"):
        if _age_seconds(left) > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
