"""Who looks where nobody should: a file that must not be opened, an address that must not be called."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

_IN_ACCESS, _IN_OPEN = 0x1, 0x20  # inotify(7)

Seen = Callable[[], bool]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Seen]:
    """What the block gets says whether anybody has opened or read the file since it was asked last. Linux only."""
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init1(os.O_NONBLOCK)
    assert queue >= 0, os.strerror(ctypes.get_errno())
    try:
        assert libc.inotify_add_watch(queue, os.fsencode(path), _IN_ACCESS | _IN_OPEN) >= 0
        yield lambda: _has_events(queue)
    finally:
        os.close(queue)


@contextlib.contextmanager
def called() -> Iterator[tuple[int, Seen]]:
    """A port on loopback, and whether anybody has connected to it since it was asked last."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield listener.getsockname()[1], lambda: _has_callers(listener)


def _has_events(queue: int) -> bool:
    try:
        return bool(os.read(queue, 4096))
    except BlockingIOError:
        return False


def _has_callers(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
