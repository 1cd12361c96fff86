"""Where batches run side by side, unless one of them has to be alone in its process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Floor:
    """Any number share it. One at a time may have it alone: it waits for those inside, and keeps others out."""

    def __init__(self) -> None:
        self._open, self._empty = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._empty.set()
        self._inside = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Beside others."""
        while not self._open.is_set():  # somebody may be alone again by the time that we go on
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Beside nobody."""
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()
