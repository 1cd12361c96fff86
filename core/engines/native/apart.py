"""Arrays that are no part of the heap."""

import contextlib
import math
import mmap
from typing import Any

import numpy as np


def apart(shape: tuple[int, ...], kind: type[np.generic], *, whole: bool = False) -> Any:
    """Zeros in a mapping of their own: pieces of many megabytes, with small ones between them, would break the heap up.

    A page takes memory once it is written to. ``whole``: all of them are, now, in pages of 2 MiB where the system has
    them. Raises ``MemoryError``.
    """
    count = math.prod(shape)
    size = count * np.dtype(kind).itemsize
    try:
        room = mmap.mmap(-1, max(1, size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"No {size} bytes to work in: {error}") from error
    values = np.frombuffer(room, kind, count)
    if whole:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):
                room.madvise(mmap.MADV_HUGEPAGE)
        values.fill(0)
    return values.reshape(shape)
