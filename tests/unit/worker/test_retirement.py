"""When a worker has done enough."""

import os

import pytest

from core.config import Settings
from worker.retirement import Retirement, resident_bytes


def a_retirement(memory: int = 0, **limits: int) -> Retirement:
    """With these limits, in a process of so much memory."""
    return Retirement(Settings(_env_file=None, **limits), read_memory=lambda: memory)


async def test_without_limits_nobody_retires():
    """The default."""
    retirement = a_retirement(memory=10**12)
    retirement.done(10**6)
    assert not retirement.due.is_set()


async def test_after_so_many_chunks():
    """Not before."""
    retirement = a_retirement(worker_max_chunks=5)
    retirement.done(4)
    assert not retirement.due.is_set()
    retirement.done(4)
    assert retirement.due.is_set()


@pytest.mark.parametrize(("memory", "due"), [(899, False), (900, True)])
async def test_before_the_memory_is_used_up(memory, due):
    """At nine tenths, so that what is under way still finds room."""
    retirement = a_retirement(memory=memory, worker_max_memory_bytes=1000)
    retirement.done(1)
    assert retirement.due.is_set() is due


async def test_never_before_the_first_chunk():
    """A limit below what the model alone takes must not make a worker that starts and ends for ever."""
    retirement = a_retirement(memory=10**12, worker_max_memory_bytes=1000)
    retirement._look()
    assert not retirement.due.is_set()


def test_resident_memory_is_what_is_resident():
    """It grows by what is touched."""
    before = resident_bytes()
    block = bytearray(os.urandom(1)) * (32 * 1024 * 1024)
    assert resident_bytes() - before > 0.9 * len(block)
