"""Memory that a model gives back after each window is kept for the next one.

The C library would hand it to the system and ask for it again, which clears it page by page: a large part of what a
window costs with CTranslate2. It would also keep a heap for each thread, each as large as the most that this thread
ever needed. So: one heap, which keeps what it was given up to a limit.
"""

import ctypes
import os
import sys
from collections.abc import Mapping

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # <malloc.h> of glibc
KEPT_BYTES = 512 * 1024 * 1024  # free memory at the heap's end; more than this goes back to the system


def keep_heap(environment: Mapping[str, str] = os.environ) -> bool:
    """For the whole process, from now on: call it before threads are started. False where nothing was changed.

    Only glibc knows these settings (mallopt(3)). Whoever has set some of them in the environment knows better.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in environment):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""):
        return False
    return all([mallopt(ARENA_MAX, 1), mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, KEPT_BYTES)])
