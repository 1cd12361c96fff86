"""How long a batch may take."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from worker.pace import Pace, Patience
from worker.patience import within


def measured(*work_seconds: float, audio_seconds: float = 100.0) -> Pace:
    """A pace that has seen such batches."""
    pace = Pace()
    for seconds in work_seconds:
        pace.note("base", audio_seconds=audio_seconds, work_seconds=seconds)
    return pace


def test_before_anything_is_measured_no_machine_is_too_slow():
    """40 times the audio and at least five minutes: also until some batches have been seen."""
    assert Pace().deadline("base", 2.0) == 300.0
    assert measured(1.0, 1.0, 1.0).deadline("base", 100.0) == 4000.0


def test_the_measured_speed_sets_the_deadline():
    """Ten times what the slowest of the last batches would have taken for as much audio."""
    assert measured(50.0, 20.0, 20.0, 20.0).deadline("base", 60.0) == 300.0


def test_a_fast_machine_is_given_two_minutes():
    """Its process may be paused for a moment, or the batch be decoded again and again."""
    assert measured(1.0, 1.0, 1.0, 1.0).deadline("base", 100.0) == 120.0


def test_what_was_slow_long_ago_is_forgotten():
    """The estimate is a recent one."""
    assert measured(5000.0, *[50.0] * 32).deadline("base", 100.0) == 500.0


def test_each_model_has_a_pace_of_its_own():
    """What base takes says nothing about large."""
    assert measured(1.0, 1.0, 1.0, 1.0).deadline("large-v3", 100.0) == 4000.0


def test_patience_can_be_told():
    """For those who want it otherwise, tests among them."""
    pace = Pace(patience=Patience(least=1.0, measured_after=1))
    pace.note("base", audio_seconds=10.0, work_seconds=0.0)
    assert pace.deadline("base", 10.0) == 1.0


async def test_a_thread_that_does_not_come_back_in_time_times_out():
    """And is not cancelled, since it cannot be."""
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await within(lambda: 0.02, never)
    assert not never.cancelled()


async def test_work_that_becomes_more_has_longer():
    """What it had before counts as what it was, not as a share of what it is now."""
    work, limits = asyncio.get_running_loop().create_future(), [0.04] * 10
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await within(lambda: limits.pop() if limits else 0.4, work)
    assert 0.4 <= time.monotonic() - began < 0.8


async def test_while_it_waits_for_others_no_time_runs():
    """However long that is; afterwards what is left of its time does."""
    work, began = asyncio.get_running_loop().create_future(), time.monotonic()
    with pytest.raises(TimeoutError):
        await within(lambda: 0.1, work, rests=lambda: time.monotonic() - began < 0.3)
    assert 0.35 <= time.monotonic() - began < 0.8


PAUSED = """
import asyncio, sys, time
from worker.patience import within

async def main():
    loop = asyncio.get_running_loop()
    print("begun", flush=True)
    work = loop.run_in_executor(None, lambda: [time.sleep(0.05) for _ in range(20)] and "done")
    print(await within(lambda: 2.0, work))

asyncio.run(main())
"""


def test_a_pause_of_the_process_is_no_hang():
    """Stopped for longer than the deadline with the work half done, it finds the work done and not the time over."""
    child = subprocess.Popen([sys.executable, "-c", PAUSED], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begun\n"
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(2.5)
    os.kill(child.pid, signal.SIGCONT)
    out, _ = child.communicate(timeout=20)
    assert (out, child.returncode) == ("done\n", 0)
