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

BROKEN_UP = """
import asyncio
import ctypes
import numpy as np
from worker.heap import give_back, keep_heap
from worker.retirement import resident_bytes

async def main():
    held = []
    for _ in range(200):
        large = np.ones(1 << 20, dtype=np.uint8)
        held.append((large, np.ones(1 << 10, dtype=np.uint8)))
    held = [small for _, small in held]
    print(resident_bytes())
    giving = asyncio.create_task(give_back(0.1))
    await asyncio.sleep(1)
    print(resident_bytes())

assert keep_heap({})
asyncio.run(main())
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


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_is_free_in_a_heap_that_is_broken_up_goes_back():
    """Something small behind each large piece keeps the heap's end where it was: what lies before it is given back."""
    done = subprocess.run(
        [sys.executable, "-c", BROKEN_UP], cwd=ROOT, check=True, capture_output=True, text=True, env={}
    )
    kept, left = map(int, done.stdout.split())
    assert kept - left > 150_000_000
