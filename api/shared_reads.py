"""One read of a task for all who ask for it at the same time.

Many watch the same task. Whoever asks while a read is under way waits for the next one, together with all others who
do: an answer is never older than its question, and there are at most two reads of a task at any time. Where the
database did not answer the one that was under way, they do not wait for it a second time.
"""

import asyncio
from collections.abc import Awaitable, Callable

from core.errors import StoreUnavailableError
from core.models import Task

Read = Callable[[str], Awaitable[Task | None]]
Reading = asyncio.Task[Task | None]


class SharedReads:
    """Of one event loop."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._under_way: dict[str, Reading] = {}
        self._to_come: dict[str, Reading] = {}

    async def get(self, task_id: str) -> Task | None:
        """The task as it was at some moment since this was called. Raises what the read does."""
        reading = self._to_come.get(task_id)
        if reading is None:
            reading = asyncio.create_task(self._after(task_id, self._under_way.get(task_id)))
            reading.add_done_callback(_heard)  # whoever asked may have gone
            self._to_come[task_id] = reading
        return await asyncio.shield(reading)

    async def _after(self, task_id: str, earlier: Reading | None) -> Task | None:
        if earlier is not None:
            await asyncio.wait([earlier])
        reading = self._to_come.pop(task_id)
        if earlier is not None:
            _check(earlier)
        self._under_way[task_id] = reading
        try:
            return await self._read(task_id)
        finally:
            if self._under_way.get(task_id) is reading:
                del self._under_way[task_id]


def _check(earlier: Reading) -> None:
    """Raises ``StoreUnavailableError`` where this read did."""
    error = None if earlier.cancelled() else earlier.exception()
    if isinstance(error, StoreUnavailableError):
        raise error


def _heard(reading: Reading) -> None:
    if not reading.cancelled():
        reading.exception()
