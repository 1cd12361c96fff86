"""Writing to disk while a file is still growing, so that the fsync at its end has little left to wait for."""

import ctypes

_BEGIN = 2  # SYNC_FILE_RANGE_WRITE without its companions, which wait for what was begun
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux alone has it
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def begin_writeback(handle: int) -> None:
    """Let the kernel begin with what the file has so far. Waits for none of it, unless the disk's queue is full.

    It promises nothing, and what goes wrong is told by the fsync that has to follow. Not fdatasync on another thread:
    that would take such an error away from the fsync.
    """
    if _sync_file_range is not None:
        _sync_file_range(handle, 0, 0, _BEGIN)
