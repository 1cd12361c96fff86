"""Threads that compute give way to those that answer: heartbeats and polls stay prompt while all cores are busy."""

import contextlib
import os
import sys
import threading

NICER_BY = 5
LEAST_URGENT = 19


def give_way() -> None:
    """Lower this thread's priority, and that of the threads that it will start. Only Linux knows it for threads."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(LEAST_URGENT, now + NICER_BY))
