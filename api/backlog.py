"""How many tasks may wait for a worker. Beyond that uploads are refused, so that the disk does not fill unnoticed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from core.errors import TransientError

COUNT_SECONDS = 1.0  # for which a count holds


class Backlog:
    """Counts in the database now and then, and by itself what this process has let in since.

    So many uploads at once overshoot by none. Several API processes know of each other's only by the next count.
    """

    def __init__(
        self, count: Callable[[], Awaitable[int]], most: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._most = most
        self._clock = clock
        self._counting: asyncio.Task[None] | None = None
        self._counted_at: float | None = None
        self._waiting = 0  # tasks at the last count
        self._since = 0  # tasks that came in since it began
        self._under_way = 0  # uploads that are let in and not yet tasks

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Room for one more task while the block lasts. Raises ``TransientError`` (``backlog_full``)."""
        await self._recount()
        if self._waiting + self._since + self._under_way >= self._most:
            raise TransientError(f"{self.sentence} Send it again later.", code="backlog_full")
        self._under_way += 1
        try:
            yield
            self._since += 1
        finally:
            self._under_way -= 1

    async def full(self) -> bool:
        """Whether no more tasks are taken in. Raises ``StoreUnavailableError``."""
        await self._recount()
        return self._waiting + self._since >= self._most

    @property
    def sentence(self) -> str:
        """Why an upload is refused."""
        return f"As many tasks wait for a worker as this server takes (MAX_QUEUED_TASKS={self._most})."

    async def _recount(self) -> None:
        """Many uploads at once count once. Whoever waits for a count that fails hears so, and waits for no other."""
        if self._counting is None:
            now = self._clock()
            if self._counted_at is not None and now - self._counted_at < COUNT_SECONDS:
                return
            self._counting = asyncio.create_task(self._count_now(now, self._since))
            self._counting.add_done_callback(self._ended)
        await asyncio.shield(self._counting)

    async def _count_now(self, now: float, came: int) -> None:
        self._waiting = await self._count()
        self._since -= came
        self._counted_at = now

    def _ended(self, counting: asyncio.Task[None]) -> None:
        self._counting = None
        if not counting.cancelled():
            counting.exception()  # whoever asked may have gone
