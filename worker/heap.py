"""Memory that a model gives back after each window is kept for the next one, for a while.

The C library would hand it to the system and ask for it again, which clears it page by page: a large part of what a
window costs with CTranslate2. It would also keep a heap for each thread, each as large as the most that this thread
ever needed. So: one heap, which keeps what it was given. A heap breaks up over the hours, so what is free in it at
that moment goes back to the system once in a while, which costs one batch what it would otherwise cost each.
"""

import asyncio
import ctypes
import functools
import os
import sys
from collections.abc import Mapping
from typing import Any

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # <malloc.h> of glibc
KEPT_BYTES = 512 * 1024 * 1024  # free memory at the heap's end; more than this goes back to the system at once
GIVE_BACK_SECONDS = 20.0


def keep_heap(environment: Mapping[str, str] = os.environ) -> bool:
    """For the whole process, from now on: call it before threads are started. False where nothing was changed.

    Only glibc knows these settings (mallopt(3)). Whoever has set some of them in the environment knows better.
    """
    library = _glibc()
    if library is None or any(name.startswith("MALLOC_") for name in environment):
        return False
    settings = ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, KEPT_BYTES))
    return all(library.mallopt(name, value) for name, value in settings)


async def give_back(seconds: float = GIVE_BACK_SECONDS) -> None:
    """Hand what is free to the system, for ever, with so long between; does nothing without glibc."""
    while _glibc() is not None:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(give_back_now)


def give_back_now() -> None:
    """Hand what is free to the system: after work that needed much more than what follows."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    if sys.platform != "linux" or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""):
        return None
    return ctypes.CDLL(None)
