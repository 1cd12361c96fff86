"""Ending what runs in the background."""

import asyncio

from core.cancelling import cancel_all


async def deaf(times: int) -> None:
    """Does not hear so many cancellations, as a driver that has an error of its own to tell."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if times == 0:
                raise
            times -= 1


async def test_who_does_not_hear_is_told_again():
    """And everybody else has ended long before."""
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 2)]
    await asyncio.sleep(0)
    assert await cancel_all(tasks, again_seconds=0.01) == set()
    assert all(task.cancelled() for task in tasks)


async def test_who_never_hears_is_not_waited_for_for_ever():
    """It is given back, so that it can be told of."""
    task = asyncio.create_task(deaf(10))
    await asyncio.sleep(0)
    assert await cancel_all([task], tellings=2, again_seconds=0.01) == {task}
    assert await cancel_all([task], again_seconds=0.01) == set()


async def test_what_ends_by_itself_meanwhile_is_no_matter():
    """An error of its own is not raised here."""

    async def failing() -> None:
        raise ValueError("its own")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    assert await cancel_all([task]) == set()
