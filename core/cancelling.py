"""Ending what runs in the background, also where it does not listen at once."""

import asyncio
import itertools
from collections.abc import Callable, Collection
from typing import Any

AGAIN_SECONDS = 0.25


async def cancel_all(
    tasks: Collection["asyncio.Task[Any]"], *, again_seconds: float = AGAIN_SECONDS, tellings: int | None = None
) -> set["asyncio.Task[Any]"]:
    """Cancel these until they have ended, or so many times; those that then still run.

    Drivers swallow a cancellation that comes together with an answer, or in favour of an error of their own.
    ``again_seconds``: longer than what a task itself does when it is cancelled, so that this is not broken off.
    """
    left = {task for task in tasks if not task.done()}
    for telling in itertools.count(1):
        if not left or (tellings is not None and telling > tellings):
            break
        for task in left:
            task.cancel()
        left = (await asyncio.wait(left, timeout=again_seconds))[1]
    # What they ended with is nobody's any more.
    await asyncio.gather(*(task for task in tasks if task.done()), return_exceptions=True)
    return left


async def on_thread(work: Callable[[], None]) -> None:
    """Do it in a thread. That cannot be cancelled, so who is cancelled here waits for it and leaves nothing running.

    Who is cancelled again waits no longer: a disk may be stuck.
    """
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise
