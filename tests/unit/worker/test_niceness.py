"""Threads that compute give way to those that answer."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.niceness import NICER_BY, give_way


def priority() -> int:
    """Of the thread that asks."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_only_the_thread_itself_and_those_that_it_starts_give_way():
    """A slot, and the threads of the model that was loaded on one; never the event loop's."""
    ours, theirs = priority(), []
    with ThreadPoolExecutor(1, initializer=give_way) as pool:
        assert pool.submit(priority).result() == min(19, ours + NICER_BY)
        child = threading.Thread(target=lambda: theirs.append(priority()))
        pool.submit(child.start).result()
        child.join()
    assert theirs == [min(19, ours + NICER_BY)]
    assert priority() == ours
