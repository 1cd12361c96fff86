"""Whether the database answers, known before it is asked: while it is away requests are refused at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from core.adapters.mongo.client import patience
from core.cancelling import cancel_all
from core.errors import StoreUnavailableError

log = structlog.get_logger()

REQUEST_SECONDS = 3.0  # how long one question of a request to the database may take
EVERY_SECONDS = 1.0  # between two looks; while it is away they follow each other at once
LOOK_SECONDS = 2.0  # for one look, in which it is asked again where it fails at once
TURN_SECONDS = 0.1  # of a look: what this process itself is late with counts as one of them at most
AGAIN_SECONDS = 0.1  # after an answer that is an error


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
            await cancel_all([looking])

    async def look(self) -> bool:
        """Look once."""
        there = await self._answers()
        if there != self._there:
            log.warning("the database is there again" if there else "the database does not answer")
        self._there = there
        return there

    async def _look_on(self) -> None:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = EVERY_SECONDS if await self.look() else 0.0

    async def _answers(self) -> bool:
        """Whether it answers in time, in turns of our own loop: a process that was held up must not blame the other."""
        asking = asyncio.create_task(self._until_answered())
        try:
            for _ in range(round(LOOK_SECONDS / TURN_SECONDS)):
                if (await asyncio.wait([asking], timeout=TURN_SECONDS))[0]:
                    return True
            return False
        finally:
            await cancel_all([asking])

    async def _until_answered(self) -> None:
        asker = asyncio.current_task()
        while asker is not None and not asker.cancelling():  # the driver may tell of an error instead
            try:
                with patience(5 * LOOK_SECONDS):
                    await self._ask()
            except StoreUnavailableError:
                await asyncio.sleep(AGAIN_SECONDS)
            except Exception:
                log.exception("the database answers with something unforeseen")
                return
            else:
                return
