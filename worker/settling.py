"""What follows a batch: results into their chunks, the next credits handed on, messages acknowledged, in that order."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from core.errors import ParascribeError, PermanentError, StoreUnavailableError
from core.models import Chunk, Failure, WindowResult
from worker.context import Context
from worker.intake import Arrival
from worker.jobs import Jobs
from worker.progress import Progress

log = structlog.get_logger()


class Settler:
    """The one place where chunk messages are settled."""

    def __init__(self, context: Context, progress: Progress, jobs: Jobs) -> None:
        self._context = context
        self._chunks = context.resources.chunks
        self._progress = progress
        self._jobs = jobs
        self.unsettled: set[tuple[str, int]] = set()  # task and index of what a slot is done with and the database not

    def start(self, arrival: Arrival, chunk: Chunk, outcome: WindowResult | Exception) -> None:
        """Settle in the background: the slot need not wait for the database."""
        self.unsettled.add((chunk.task_id, chunk.cut.index))
        self._jobs.start(self._settle(arrival, chunk, outcome))

    async def _settle(self, arrival: Arrival, chunk: Chunk, outcome: WindowResult | Exception) -> None:
        try:
            if isinstance(outcome, Exception):
                await self.failed(arrival, chunk, outcome)
            else:
                await self.completed(arrival, chunk, outcome)
        finally:
            self.unsettled.discard((chunk.task_id, chunk.cut.index))

    async def completed(self, arrival: Arrival, chunk: Chunk, result: WindowResult) -> None:
        """Store a result. Where the fence refuses it somebody else took over, and it is thrown away."""
        if await self._written(partial(self._chunks.complete, chunk, result), chunk):
            await self._context.resources.blobs.delete(chunk.pcm_key)
        else:
            log.info("stale result thrown away", task_id=chunk.task_id, chunk=chunk.cut.index)
        await self._ended(arrival)

    async def failed(self, arrival: Arrival, chunk: Chunk, error: Exception) -> None:
        """Store a failed attempt; another one follows after a delay, while there are attempts left."""
        settings = self._context.settings
        again = chunk.attempts < settings.max_chunk_attempts and not isinstance(error, PermanentError)
        delay = settings.retry_delay_seconds * 2 ** (chunk.attempts - 1)
        log.warning(
            "chunk failed", task_id=chunk.task_id, chunk=chunk.cut.index, attempt=chunk.attempts, error=str(error)
        )
        write = partial(self._chunks.fail, chunk, failure_of(error), attempts_left=again, delay_seconds=delay)
        if await self._written(write, chunk) and again:
            self._jobs.start(self._try_again(arrival, delay))
        await self._ended(arrival)

    async def refused(self, arrival: Arrival) -> None:
        """The message is about finished or owned work: done with."""
        await arrival.delivery.ack()

    async def given_back(self, arrivals: Sequence[Arrival], chunks: Sequence[Chunk]) -> None:
        """We are leaving: the work is pending again and the attempt does not count."""
        for chunk in chunks:
            await self._chunks.give_back(chunk)
        for arrival in arrivals:
            await arrival.delivery.requeue()

    async def _ended(self, arrival: Arrival) -> None:
        """The message is settled even if the database is away: the sweeper finds what was not written."""
        try:
            task = await self._context.resources.tasks.get(arrival.task_id)
            if task is not None and not task.deleted:
                await self._context.credit.hand_on(task.id, cut=task.chunks_cut)
                self._progress.note(task.id)
        except StoreUnavailableError as error:
            log.warning("credit not handed on, the sweeper will", task_id=arrival.task_id, error=str(error))
        await arrival.delivery.ack()

    async def _written(self, write: Callable[[], Awaitable[bool]], chunk: Chunk) -> bool:
        """Write until the database says yes or no. A live worker's chunk is nobody else's, so it must not give up."""
        for delay in itertools.chain((0.2, 0.5, 1.0, 2.0), itertools.repeat(5.0)):
            try:
                return await write()
            except StoreUnavailableError as error:
                log.warning("chunk not written yet", task_id=chunk.task_id, chunk=chunk.cut.index, error=str(error))
            await asyncio.sleep(delay)
        raise AssertionError  # the delays never end

    async def _try_again(self, arrival: Arrival, delay: float) -> None:
        await asyncio.sleep(delay + 0.01)  # the database's clock counts whole milliseconds
        await self._context.credit.again(arrival.task_id, arrival.index)


def failure_of(error: Exception) -> Failure:
    """What a client may know of an error: ours as it is, others by their kind alone."""
    if isinstance(error, ParascribeError):
        return Failure(code=error.code, message=error.message)
    return Failure(code="engine_failed", message=f"The engine failed with {type(error).__name__}.")
