"""Looking whether the database is there."""

import asyncio

from api.availability import Availability
from core.errors import StoreUnavailableError


async def test_looking_ends_although_the_driver_does_not_hear_that_it_is_cancelled():
    """It tells of a connection that failed instead, as pymongo does in the middle of opening one."""
    asked = asyncio.Event()

    async def ask() -> None:
        asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            raise StoreUnavailableError("no connection") from error

    async with asyncio.timeout(10):
        async with Availability(ask).watching():
            await asked.wait()
