"""The slots: each takes a batch, claims its chunks, transcribes them on a thread, and goes on to the next.

A chunk that took its process down, or failed its engine, or over which several workers were killed, is suspect.
Suspects are transcribed alone, and at most one of them at a time in a process (a task whose preparing failed counts as
one), so that one poisonous chunk cannot use up the attempts of its neighbours. A last attempt is made with all other
slots at rest: whatever happens then is this chunk's doing, so a healthy one is never given up for its neighbours.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog

from core.errors import EngineCancelledError, EngineMemoryError, ParascribeError, TransientError
from core.models import Chunk, Window, WindowResult
from core.niceness import give_way
from core.ports import Engine
from worker.batch import Batch, Work
from worker.batch_memory import remember
from worker.batching import Measured
from worker.context import Context
from worker.floor import Floor
from worker.growing import grow
from worker.intake import Arrival, Hand, Intake, IntakeClosedError
from worker.jobs import Jobs
from worker.patience import end_hung_process, within
from worker.retirement import Retirement
from worker.settling import Settler

log = structlog.get_logger()

WATCH_SECONDS = 1.0


class Slots:
    """All slots of one process."""

    def __init__(self, context: Context, intake: Intake, settler: Settler, jobs: Jobs, retirement: Retirement) -> None:
        self._context = context
        self._intake = intake
        self._settler = settler
        self._jobs = jobs
        self._retirement = retirement
        self.parked: set[tuple[str, int]] = set()  # suspects whose turn has not come
        self._threads = ThreadPoolExecutor(context.settings.slots, thread_name_prefix="slot", initializer=give_way)
        self.running: list[Batch] = []
        self._floor = Floor()

    async def run(self) -> None:
        """Work until the intake is closed; then the batches under way are ended with."""
        async with asyncio.TaskGroup() as slots:
            for _ in range(self._context.settings.slots):
                slots.create_task(self._slot())

    async def watch(self) -> None:
        """Notice, about every second, batches that nobody wants any more: cancelled, deleted or taken over."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with contextlib.suppress(TransientError):
                await self._look()

    async def _look(self) -> None:
        """A batch is wanted while one chunk of it is: mostly the first one tells."""
        lost, running = self._context.resources.chunks.lost, list(self.running)
        gone = await lost([batch.chunks[0] for batch in running])
        doubtful = [batch for batch in running if _name(batch.chunks[0]) in gone]
        gone |= await lost([chunk for batch in doubtful for chunk in batch.chunks[1:]])
        for batch in doubtful:
            if gone.issuperset(map(_name, batch.chunks)):
                batch.abandon()

    def abandon(self) -> None:
        """Stop between two steps of the engine."""
        for batch in self.running:
            batch.abandon()

    async def _slot(self) -> None:
        while True:
            try:
                hand = await self._intake.take()
            except IntakeClosedError:
                return
            try:
                await self._work(hand)
            except Exception:
                log.exception("slot went on after an error that was not foreseen; the sweeper frees its chunks")
                await self._settler.dropped([one for one in hand.arrivals if _named(one) not in self.parked])
            finally:
                self._intake.done(hand)

    async def _work(self, hand: Hand) -> None:
        """A suspect is claimed only when its turn has come: a claim counts as an attempt if the process dies."""
        suspects: list[tuple[Arrival, int]] = []
        async with self._floor.shared():
            work = await self._bring(hand.arrivals, suspects)
            if work:
                batch = Batch(work, options=hand.arrivals[0].options, most=hand.most)
                growing = asyncio.create_task(self._grow(batch, hand, suspects))
                await self._transcribe(batch, growing)
        for arrival, attempts in suspects:
            await self._attempt_suspect(arrival, attempts)

    async def _grow(self, batch: Batch, hand: Hand, suspects: list[tuple[Arrival, int]]) -> None:
        """An error costs the batch nothing but what was being claimed for it."""

        async def bring(arrivals: list[Arrival]) -> list[Work]:
            found: list[tuple[Arrival, int]] = []
            work = await self._bring(arrivals, found)
            if not batch.unwanted:
                suspects.extend(found)
                return work
            # Whoever abandoned it has given back what it had then, and the slot has gone on.
            await self._settler.given_back([arrival for arrival, _, _ in work], [chunk for _, chunk, _ in work])
            for arrival, _ in found:
                await self._intake.put(arrival)
            return []

        try:
            await grow(batch, hand, self._intake, bring)
        except Exception:
            log.exception("batch did not grow, by an error not foreseen; the sweeper frees what was for it")
            still = [*(arrival for arrival, _, _ in batch.work), *(arrival for arrival, _ in suspects)]
            await self._settler.dropped([arrival for arrival in hand.arrivals if arrival not in still])

    async def _bring(self, arrivals: list[Arrival], suspects: list[tuple[Arrival, int]]) -> list[Work]:
        """Claim and load what has arrived, but for those to be attempted alone: they are added to ``suspects``."""
        claims = await self._claim(arrivals, healthy=True)
        unclaimed = [arrival for arrival in arrivals if (arrival.task_id, arrival.index) not in claims]
        found = await self._suspects(unclaimed) if unclaimed else {}
        suspects += [(one, found[one.task_id, one.index]) for one in unclaimed if (one.task_id, one.index) in found]
        return await self._loaded([one for one in arrivals if (one.task_id, one.index) not in found], claims)

    async def _attempt_suspect(self, arrival: Arrival, attempts: int) -> None:
        """``attempts``: how many it has had."""
        if self._context.suspects.locked():
            self._park(arrival)
            return
        last = attempts > 0 and attempts + 1 >= self._context.settings.max_chunk_attempts
        async with self._context.suspects, self._floor.alone() if last else self._floor.shared():
            work = await self._loaded([arrival], await self._claim([arrival]))
            if work:
                await self._transcribe(Batch(work, options=arrival.options))

    def _park(self, arrival: Arrival) -> None:
        """Another suspect is at it, perhaps for long: the slot goes on, and this one comes back when that has ended."""
        self.parked.add((arrival.task_id, arrival.index))
        self._jobs.start(self._unpark(arrival))

    async def _unpark(self, arrival: Arrival) -> None:
        try:
            async with self._context.suspects:
                pass
            await self._intake.put(arrival)
        finally:
            self.parked.discard((arrival.task_id, arrival.index))

    async def _suspects(self, arrivals: list[Arrival]) -> dict[tuple[str, int], int]:
        """Those among them, and how many attempts each has had."""
        names = [(arrival.task_id, arrival.index) for arrival in arrivals]
        try:
            return await self._context.resources.chunks.suspect(names)
        except TransientError:
            return dict.fromkeys(names, 0)

    async def _loaded(self, arrivals: list[Arrival], claims: dict[tuple[str, int], Chunk]) -> list[Work]:
        """Those that are claimed, with their audio; the others' messages are done with.

        Each claim once: a message that came twice finds nothing to do the second time.
        """
        taken = [(arrival, claims.pop((arrival.task_id, arrival.index), None)) for arrival in arrivals]
        loaded = await asyncio.gather(*(self._load(arrival, chunk) for arrival, chunk in taken))
        return [one for one in loaded if one is not None]

    async def _claim(self, arrivals: Sequence[Arrival], *, healthy: bool = False) -> dict[tuple[str, int], Chunk]:
        """By task and index. ``healthy``: suspects are left out."""
        names = [(arrival.task_id, arrival.index) for arrival in arrivals]
        try:
            claims = await self._context.resources.chunks.claim(names, self._context.worker_id, healthy=healthy)
        except TransientError as error:
            log.warning("chunks not claimed", chunks=names, error=str(error))
            return {}
        return {_name(chunk): chunk for chunk in claims}

    async def _load(self, arrival: Arrival, chunk: Chunk | None) -> Work | None:
        """A claim and its audio; None where there is nothing to do (any more), or not now."""
        if chunk is None:
            await self._settler.refused(arrival)
            return None
        try:
            pcm = np.frombuffer(await self._context.resources.blobs.get(chunk.pcm_key), dtype=np.int16)
        except ParascribeError as error:
            self._settler.give_up(arrival, chunk, error, postpone=isinstance(error, TransientError))
            return None
        return arrival, chunk, Window(pcm=pcm)

    async def _transcribe(self, batch: Batch, growing: "asyncio.Task[None] | None" = None) -> None:
        self.running.append(batch)
        try:
            results = await self._grown(batch, growing)
        except asyncio.CancelledError:
            batch.abandon()
            await asyncio.shield(self._settler.given_back([work[0] for work in batch.work], batch.chunks))
            raise
        except EngineCancelledError:
            await self._settler.given_back([work[0] for work in batch.work], batch.chunks)
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is a failed attempt, never a dead slot
            log.warning("batch failed", chunks=len(batch.work), error=repr(error))
            await self._after_failure(batch, error)
        else:
            self._settler.keep([arrival for arrival, _, _ in batch.work], batch.chunks, results)
            self._retirement.done(len(results))
        finally:
            self.running.remove(batch)

    async def _after_failure(self, batch: Batch, error: Exception) -> None:
        """One window spoils its batch: alone, the others are none the worse, and still in their first attempt."""
        if len(batch.work) == 1:
            arrival, chunk, _ = batch.work[0]
            self._settler.give_up(arrival, chunk, error)
            if isinstance(error, EngineMemoryError):
                self._retirement.now(error.message)
            return
        for at, one in enumerate(batch.work):
            if self._retirement.due.is_set():  # the next process begins with what is left
                left = batch.work[at:]
                await self._settler.given_back([arrival for arrival, _, _ in left], [chunk for _, chunk, _ in left])
                return
            await self._transcribe(Batch([one], options=batch.options))

    async def _grown(self, batch: Batch, growing: "asyncio.Task[None] | None") -> list[WindowResult]:
        """However it ends, what was being claimed for it meanwhile is in it, unless nobody wants it any more."""
        try:
            return await self._on_thread(batch)
        except asyncio.CancelledError:
            batch.abandon()
            raise
        finally:
            batch.close()
            if growing is not None and batch.unwanted:
                self._jobs.start(_rest(growing))
            elif growing is not None:
                await asyncio.wait({growing})

    async def _on_thread(self, batch: Batch) -> list[WindowResult]:
        """Loading the model (perhaps fetching it first) takes what it takes; the batch itself has a deadline."""
        loop = asyncio.get_running_loop()
        engine = await loop.run_in_executor(self._threads, self._context.engines.get, batch.options.model)
        pace, model, began = self._context.pace, batch.options.model, time.monotonic()
        idle = self._intake.under_way.idle_seconds
        told = self._context.settings.batch_deadline_seconds
        try:
            results = await within(
                lambda: told or pace.deadline(model, batch.seconds),
                loop.run_in_executor(self._threads, transcribe, engine, batch),
                rests=lambda: batch.starving,
            )
        except TimeoutError:
            names = [(chunk.task_id, chunk.cut.index) for chunk in batch.chunks]
            end_hung_process(self._context.run_file, chunks=names, after_seconds=time.monotonic() - began)
            raise
        took = time.monotonic() - began - batch.waited
        pace.note(model, audio_seconds=batch.seconds, work_seconds=took)
        self._intake.under_way.note(len(batch.work), took)
        self._compare(batch, took, self._intake.under_way.idle_seconds - idle)
        return results

    def _compare(self, batch: Batch, work_seconds: float, idle_seconds: float) -> None:
        """With batches of other sizes, where that is still of interest."""
        windows, audio = len(batch.work), batch.seconds
        took = Measured(windows=windows, audio_seconds=audio, work_seconds=work_seconds, idle_seconds=idle_seconds)
        found = self._intake.sizes.note(batch.options, took)
        if found is not None:  # a disk may be slow: not on the loop
            self._jobs.start(asyncio.to_thread(remember, self._context.settings, found))


async def _rest(growing: "asyncio.Task[None]") -> None:
    await growing


def _named(arrival: Arrival) -> tuple[str, int]:
    return arrival.task_id, arrival.index


def _name(chunk: Chunk) -> tuple[str, int]:
    return chunk.task_id, chunk.cut.index


def transcribe(engine: Engine, batch: Batch) -> list[WindowResult]:
    """On a slot's thread."""
    return engine.transcribe(batch, batch.options, lambda: batch.unwanted)
