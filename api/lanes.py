"""Many uploads at once leave room for everything else: only a few of them are worked on in any turn of the event loop.

What the others have sent waits where it is: nothing more is read from a connection until its last part was taken.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

LANES = 2  # each costs a turn about 0.5 ms: reading, parsing and copying 256 KiB


class Lanes:
    """Uploads share these; a lane is held while a part is taken in, never while a client is waited for."""

    def __init__(self, count: int = LANES) -> None:
        self._free = asyncio.Semaphore(count)
        self.blocks = asyncio.Semaphore(count)  # on their way to the store: each has one of the few threads there are

    @asynccontextmanager
    async def parts(self, body: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The same parts; asking for the next one gives the lane to somebody else."""
        async with aclosing(self._parts(body)) as parts:
            yield parts

    async def _parts(self, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for part in body:
            async with self._free:
                yield part
