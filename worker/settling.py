"""What follows a batch: results into their chunks, the next credits handed on, messages acknowledged, in that order."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from core.errors import ParascribeError, PermanentError, StoreUnavailableError, TransientError
from core.models import Chunk, Failure, WindowResult
from worker.context import Context
from worker.intake import Arrival
from worker.jobs import Jobs
from worker.patience import until_answered
from worker.progress import Progress

log = structlog.get_logger()

POSTPONED_SECONDS = 5.0


class Settler:
    """The one place where chunk messages are settled."""

    def __init__(self, context: Context, progress: Progress, jobs: Jobs, timers: Jobs) -> None:
        self._context = context
        self._chunks = context.resources.chunks
        self._progress = progress
        self._jobs = jobs  # waited for at the end
        self._timers = timers  # not waited for: the sweeper does what they would have done
        self.unsettled: set[tuple[str, int]] = set()  # task and index of what a slot is done with and the database not

    def start(
        self, arrival: Arrival, chunk: Chunk, outcome: WindowResult | Exception, *, postpone: bool = False
    ) -> None:
        """Settle in the background: the slot need not wait for the database."""
        self.unsettled.add((chunk.task_id, chunk.cut.index))
        self._jobs.start(self._settle(arrival, chunk, outcome, postpone=postpone))

    async def _settle(
        self, arrival: Arrival, chunk: Chunk, outcome: WindowResult | Exception, *, postpone: bool
    ) -> None:
        try:
            if not isinstance(outcome, Exception):
                await self.completed(arrival, chunk, outcome)
            elif postpone:
                await self.postponed(arrival, chunk, outcome)
            else:
                await self.failed(arrival, chunk, outcome)
        finally:
            self.unsettled.discard((chunk.task_id, chunk.cut.index))

    async def completed(self, arrival: Arrival, chunk: Chunk, result: WindowResult) -> None:
        """Store a result. Where the fence refuses it somebody else took over, and it is thrown away."""
        if await until_answered(partial(self._chunks.complete, chunk, result), **_names(chunk)):
            await self._remove_audio(chunk)
        else:
            log.info("stale result thrown away", **_names(chunk))
        await self._ended(arrival)

    async def failed(self, arrival: Arrival, chunk: Chunk, error: Exception) -> None:
        """Store a failed attempt; another one follows after a delay, while there are attempts left."""
        settings = self._context.settings
        again = chunk.attempts < settings.max_chunk_attempts and not isinstance(error, PermanentError)
        delay = settings.retry_delay_seconds * 2 ** (chunk.attempts - 1)
        log.warning("chunk failed", **_names(chunk), attempt=chunk.attempts, error=str(error))
        write = partial(self._chunks.fail, chunk, failure_of(error), attempts_left=again, delay_seconds=delay)
        if await until_answered(write, **_names(chunk)) and again:
            self._timers.start(self._try_again(arrival, delay))
        await self._ended(arrival)

    async def postponed(self, arrival: Arrival, chunk: Chunk, error: Exception) -> None:
        """Its audio cannot be had at the moment, which is not its fault: again later, and no attempt is counted."""
        log.warning("chunk postponed", **_names(chunk), error=str(error))
        write = partial(self._chunks.give_back, chunk, delay_seconds=POSTPONED_SECONDS)
        if await until_answered(write, **_names(chunk)):
            self._timers.start(self._try_again(arrival, POSTPONED_SECONDS))
        await arrival.delivery.ack()

    async def refused(self, arrival: Arrival) -> None:
        """The message is about finished or owned work: done with."""
        await arrival.delivery.ack()

    async def given_back(self, arrivals: Sequence[Arrival], chunks: Sequence[Chunk]) -> None:
        """We are leaving, or nobody wants it: no attempt is counted, and what is still wanted is others' at once."""
        await asyncio.gather(*(self._give_back(*pair) for pair in zip(arrivals, chunks, strict=True)))

    async def _give_back(self, arrival: Arrival, chunk: Chunk) -> None:
        """Its message comes again only where the chunk is announced again: else it would find nothing to claim."""
        again = False
        try:
            if await self._chunks.give_back(chunk):
                again = await self._chunks.queue(chunk.task_id, chunk.cut.index)
        except TransientError as error:
            log.warning("not given back, the sweeper will", **_names(chunk), error=str(error))
        await (arrival.delivery.requeue() if again else arrival.delivery.ack())

    async def _remove_audio(self, chunk: Chunk) -> None:
        try:
            await self._context.resources.blobs.delete(chunk.pcm_key)
        except ParascribeError as error:
            log.warning("audio not removed, the end of the task will", **_names(chunk), error=str(error))

    async def _ended(self, arrival: Arrival) -> None:
        """The message is settled even if the database is away: the sweeper finds what was not written."""
        try:
            await self._context.credit.go_on(arrival.task_id)
            self._progress.note(arrival.task_id)
        except StoreUnavailableError as error:
            log.warning("credit not handed on, the sweeper will", task_id=arrival.task_id, error=str(error))
        await arrival.delivery.ack()

    async def _try_again(self, arrival: Arrival, delay: float) -> None:
        await asyncio.sleep(delay + 0.01)  # the database's clock counts whole milliseconds
        self._context.credit.look_again(arrival.task_id)
        await self._context.credit.go_on(arrival.task_id)


def _names(chunk: Chunk) -> dict[str, object]:
    return {"task_id": chunk.task_id, "chunk": chunk.cut.index}


def failure_of(error: Exception) -> Failure:
    """What a client may know of an error: ours as it is, others by their kind alone."""
    if isinstance(error, ParascribeError):
        return Failure(code=error.code, message=error.message)
    return Failure(code="engine_failed", message=f"The engine failed with {type(error).__name__}.")
