"""A test that hangs fails, and shows what it waited for: a run that never ends tells nobody anything."""

import asyncio
import contextlib
import io
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType

import pytest

AGAIN_SECONDS = 30.0  # what comes after the first failure, such as the end of its fixtures, may hang too


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Fail in the block when it takes longer, with every thread's stack and that of every task of the running loop."""
    before = signal.signal(signal.SIGALRM, lambda _, frame: pytest.fail(_waiting(seconds, frame), pytrace=False))
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _waiting(seconds: float, frame: FrameType | None) -> str:
    said = io.StringIO()
    print(f"This took longer than {seconds:.0f} s.", file=said)
    traceback.print_stack(frame, file=said)
    for number, stack in sys._current_frames().items():
        print(f"Thread {number}:", file=said)
        traceback.print_stack(stack, file=said)
    with contextlib.suppress(RuntimeError):  # where no loop runs
        for task in asyncio.all_tasks(asyncio.get_running_loop()):
            task.print_stack(file=said)
    return said.getvalue()
