"""Whether the database answers, known before it is asked: while it is away requests are refused at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from core.adapters.mongo.client import patience
from core.errors import StoreUnavailableError

log = structlog.get_logger()

REQUEST_SECONDS = 3.0  # how long one question of a request to the database may take
LOOK_SECONDS = 1.0  # between two looks, and for each try of one
AGAIN_SECONDS = 0.3  # between two looks while it is away
TRIES = 2  # a process that was held up for a moment finds its first try too late


class Availability:
    """Asks the database something small again and again. Until the first look it counts as there."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._there = True

    def check(self) -> None:
        """Asks nobody. Raises ``StoreUnavailableError`` while the database is away."""
        if not self._there:
            raise StoreUnavailableError("The database does not answer, so the request was refused unread.")

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look for as long as the block lasts."""
        looking = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])

    async def look(self) -> bool:
        """Look once."""
        there = False
        for _ in range(TRIES):
            there = there or await self._answers()
        if there != self._there:
            log.warning("the database is there again" if there else "the database does not answer")
        self._there = there
        return there

    async def _look_on(self) -> None:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = LOOK_SECONDS if await self.look() else AGAIN_SECONDS

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(2 * LOOK_SECONDS):  # the driver ends it sooner; this one does not rely on that
                with patience(LOOK_SECONDS):
                    await self._ask()
        except (StoreUnavailableError, TimeoutError):
            return False
        except Exception:
            log.exception("the database answers with something unforeseen")
        return True
