"""What follows a batch: results into their chunks, the next credits handed on, messages acknowledged, in that order."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

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

    def keep(self, arrivals: Sequence[Arrival], chunks: Sequence[Chunk], results: Sequence[WindowResult]) -> None:
        """Store a batch's results in the background: the slot need not wait for the database."""
        self._start(arrivals, chunks, self._completed(arrivals, list(zip(chunks, results, strict=True))))

    def give_up(self, arrival: Arrival, chunk: Chunk, error: Exception, *, postpone: bool = False) -> None:
        """Store in the background that an attempt has failed; ``postpone``: that it could not be made yet."""
        self._start([arrival], [chunk], (self._postponed if postpone else self._failed)(arrival, chunk, error))

    def _start(self, arrivals: Sequence[Arrival], chunks: Sequence[Chunk], work: Coroutine[Any, Any, None]) -> None:
        names = {(chunk.task_id, chunk.cut.index) for chunk in chunks}
        self.unsettled |= names
        self._jobs.start(self._settled(arrivals, names, work))

    async def _settled(
        self, arrivals: Sequence[Arrival], names: set[tuple[str, int]], work: Coroutine[Any, Any, None]
    ) -> None:
        try:
            await work
        except Exception:
            await self.dropped(arrivals)
            raise
        finally:
            self.unsettled -= names

    async def _completed(self, arrivals: Sequence[Arrival], results: Sequence[tuple[Chunk, WindowResult]]) -> None:
        """Where the fence refuses a result somebody else took over, and it is thrown away."""
        stored = await until_answered(partial(self._chunks.complete, results), chunks=len(results))
        kept = [chunk for chunk, _ in results if (chunk.task_id, chunk.cut.index) in stored]
        for chunk, _ in results:
            if chunk not in kept:
                log.info("stale result thrown away", **_names(chunk))
        await self._ended(arrivals, done=kept)

    async def _failed(self, arrival: Arrival, chunk: Chunk, error: Exception) -> None:
        """Store a failed attempt; another one follows after a delay, while there are attempts left."""
        settings = self._context.settings
        again = chunk.attempts < settings.max_chunk_attempts and not isinstance(error, PermanentError)
        delay = settings.retry_delay_seconds * 2 ** (chunk.attempts - 1)
        log.warning("chunk failed", **_names(chunk), attempt=chunk.attempts, error=str(error))
        write = partial(self._chunks.fail, chunk, failure_of(error), attempts_left=again, delay_seconds=delay)
        stored = await until_answered(write, **_names(chunk))
        if stored and again:
            self._timers.start(self._try_again(arrival, delay))
        await self._ended([arrival], failed=[chunk] if stored and not again else [])

    async def _postponed(self, arrival: Arrival, chunk: Chunk, error: Exception) -> None:
        """Its audio cannot be had at the moment, which is not its fault: again later, and no attempt is counted."""
        log.warning("chunk postponed", **_names(chunk), error=str(error))
        write = partial(self._chunks.give_back, chunk, delay_seconds=POSTPONED_SECONDS)
        if await until_answered(write, **_names(chunk)):
            self._timers.start(self._try_again(arrival, POSTPONED_SECONDS))
        await arrival.delivery.ack()

    async def refused(self, arrival: Arrival) -> None:
        """The message is about finished or owned work: done with."""
        await arrival.delivery.ack()

    async def dropped(self, arrivals: Sequence[Arrival]) -> None:
        """After an error that was not foreseen: the sweeper frees their chunks, but nobody the places that messages
        hold at the broker. A second time does nothing."""
        await asyncio.gather(*(arrival.delivery.ack() for arrival in arrivals))

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

    async def _remove_audio(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        try:
            await self._context.resources.blobs.delete(*(chunk.pcm_key for chunk in chunks))
        except ParascribeError as error:
            log.warning("audio not removed, the end of the task will", **_names(chunks[0]), error=str(error))

    async def _ended(
        self, arrivals: Sequence[Arrival], *, done: Sequence[Chunk] = (), failed: Sequence[Chunk] = ()
    ) -> None:
        """The messages are settled even if the database is away, or if we leave meanwhile: the sweeper does the rest.

        Unsettled they would come again, to workers that find nothing to claim. ``failed``: for good.
        """
        try:
            await self._remove_audio(done)
            await self._hand_on(arrivals, Counter(chunk.task_id for chunk in (*done, *failed)))
        finally:
            await self.dropped(arrivals)

    async def _hand_on(self, arrivals: Sequence[Arrival], ended: Mapping[str, int]) -> None:
        for task_id in dict.fromkeys(arrival.task_id for arrival in arrivals):
            try:
                await self._context.credit.go_on(task_id)
                self._progress.note(task_id, ended=ended.get(task_id, 0))
            except StoreUnavailableError as error:
                log.warning("credit not handed on, the sweeper will", task_id=task_id, error=str(error))

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
