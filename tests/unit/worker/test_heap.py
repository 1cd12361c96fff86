"""What is given back is kept."""

import subprocess
import sys

import pytest

from tests.support.live import ROOT
from worker.heap import keep_heap

PAGE = 4096
ROUNDS, BYTES = 50, 48 * 1024 * 1024
USING = f"""
import resource, sys, threading
import numpy as np
from worker.heap import keep_heap

if sys.argv[1] == "kept":
    assert keep_heap({{}})

def use():
    np.ones({BYTES}, dtype=np.uint8)

def work():
    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({ROUNDS}):
        use()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def faults(how: str) -> int:
    """Pages that a thread was given anew while it took and gave back the same amount again and again."""
    done = subprocess.run(
        [sys.executable, "-c", USING, how], cwd=ROOT, check=True, capture_output=True, text=True, env={}
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_comes_and_goes_is_not_asked_for_again():
    """Without it every round costs the system's work for all its pages, or for all that are not huge ones."""
    assert faults("kept") < BYTES // PAGE // 10
    assert faults("as it is") > 10 * faults("kept")


def test_whoever_tunes_the_allocator_is_left_alone():
    """By the variables of mallopt(3)."""
    assert not keep_heap({"MALLOC_ARENA_MAX": "4"})
