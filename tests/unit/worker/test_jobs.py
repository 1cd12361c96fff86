"""Work in the background that nobody awaits."""

import asyncio
import time

from worker.jobs import Jobs


async def test_work_that_swallows_its_cancellation_is_told_again():
    """As a driver does that is just then failing for another reason."""
    swallowed, begun = [], asyncio.Event()

    async def swallow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.append(1)
        await asyncio.Event().wait()

    jobs = Jobs()
    jobs.start(swallow())
    await begun.wait()
    await jobs.cancel()
    assert swallowed == [1]
    assert not jobs._tasks


async def test_work_that_never_ends_is_left_behind():
    """Nothing holds up the end of a process."""
    over, begun = asyncio.Event(), asyncio.Event()

    async def stay() -> None:
        begun.set()
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    jobs = Jobs()
    jobs.start(stay())
    await begun.wait()
    began = time.monotonic()
    await jobs.cancel()
    assert time.monotonic() - began < 5
    over.set()
    await jobs.finish(5)
    assert not jobs._tasks
