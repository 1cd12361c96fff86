"""Ending what does not want to end."""

import asyncio

from core.adapters.rabbitmq.ending import put_an_end_to


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again():
    """As the driver does it when an answer comes at the same moment."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await put_an_end_to(task, again_seconds=0.01)
    assert (swallowed, task.cancelled()) == (3, True)


async def test_what_ends_by_itself_meanwhile_is_no_matter():
    """An error of its own is not raised here."""

    async def failing() -> None:
        raise ValueError("its own")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await put_an_end_to(task)
    assert task.done()
