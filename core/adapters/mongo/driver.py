"""What the driver does wrong on Python 3.11, put right before it is used."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any

import pymongo.lock


async def wait_in_this_task(awaitable: Awaitable[Any], timeout: float | None) -> Any:  # noqa: ASYNC109  as it is called
    """As ``asyncio.wait_for`` does it from Python 3.12 on. Raises ``TimeoutError``."""
    async with asyncio.timeout(timeout):
        return await awaitable


if sys.version_info < (3, 12):
    # The driver waits for its condition with ``asyncio.wait_for``, which before 3.12 does so in another task. Where the
    # waiting one is cancelled while that other one takes the lock again, by a second cancellation or by one that comes
    # together with the end of the wait, nobody gives the lock back: from then on no operation of this client ends, and
    # ``pymongo.timeout`` does not reach it. It takes no more than a database that is away for a moment.
    pymongo.lock.wait_for = wait_in_this_task  # type: ignore[attr-defined, assignment]
