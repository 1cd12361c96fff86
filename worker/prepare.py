"""From an upload to chunks: claim the task, decode, cut, store each window and announce it, while decoding goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from core.adapters.mongo.chunks import SUSPICIOUS_DEATHS
from core.audio.cutting import BLOCK_SAMPLES, Cutter
from core.audio.decode import DecodeLimits, Decoder
from core.errors import ParascribeError, PermanentError, StoreUnavailableError, TransientError
from core.flow.finish import PREPARE_AGAIN, note_end, tidy
from core.flow.removal import clear_cancelled, clear_deleted
from core.flow.submit import announce
from core.models import SAMPLE_RATE, Cut, Failure, Pcm, Task, Window
from core.ports import Delivery
from core.states import TASK_ENDED, TaskStatus
from worker.context import Context
from worker.listening import Listener
from worker.patience import until_answered
from worker.progress import Progress
from worker.turns import Turn, Turns

log = structlog.get_logger()

SHORT_FILES = 4  # tasks beyond MAX_CONCURRENT_JOBS that may be open and take turns with those
LANGUAGE_WINDOWS = 3  # speech windows that the language is found from
HELD_WINDOWS, HELD_SECONDS = 12, 0.5  # once each slot has one, windows cut in quick succession are stored together
FULL_HELD_SECONDS = 2.0  # where as many chunks are announced as may be: nobody waits for them yet
HOLD_BLOCKS = 10  # blocks of audio between two looks at whether the claim still holds, where nothing is stored
FULL_SECONDS = 0.5  # between two counts of a task that has as many chunks announced as it may have
AWAY = {"store_unavailable", "storage_unavailable", "storage_full"}  # no attempt is counted, however long that lasts
AWAY_DELAYS = 5  # times the delay before a second attempt


class ClaimLostError(ParascribeError):
    """The task was cancelled, deleted or taken over while it was being prepared."""

    code = "claim_lost"


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """What preparing needs beside the context: places, threads, who finds the language, and the keeper of figures."""

    turns: Turns
    threads: ThreadPoolExecutor
    listener: Listener
    progress: Progress


class Preparer:
    """Prepares tasks as their messages come in."""

    def __init__(self, context: Context, crew: Crew) -> None:
        self._context = context
        self._tasks = context.resources.tasks
        self._crew = crew
        self._in_hand: dict[str, Delivery] = {}  # tasks, and the latest message of each
        self._woken: set[str] = set()  # those of them for which another one has come

    @property
    def held(self) -> set[str]:
        """Tasks whose message is in hand."""
        return set(self._in_hand)

    async def handle(self, delivery: Delivery) -> None:
        """Prepare one task from its message to the end, whatever that is. Each attempt settles the one before it."""
        task_id = delivery.message.task_id
        earlier, self._in_hand[task_id] = self._in_hand.get(task_id), delivery
        if earlier is not None:
            self._woken.add(task_id)
            await earlier.ack()
            return
        try:
            await self._while_woken(task_id)
        except TransientError as error:
            log.warning("task left to the sweeper", task_id=task_id, error=str(error))
        except asyncio.CancelledError:
            await asyncio.shield(self._in_hand[task_id].requeue())  # we are leaving: others go on at once
            raise
        finally:
            self._woken.discard(task_id)
            await self._in_hand.pop(task_id).ack()  # after any error: it would keep a place at the broker

    async def _while_woken(self, task_id: str) -> None:
        """A wake-up for what is in hand may be for the next attempt, or for a retry: the claim tells."""
        await self._prepare(task_id)
        while task_id in self._woken:
            await self._prepare(task_id)

    async def _prepare(self, task_id: str) -> None:
        """The lock before the place: who waits for the lock must not keep a place from the one who holds it."""
        async with await self._alone_if_suspect(task_id), self._crew.turns.take() as turn:
            self._woken.discard(task_id)
            task = await self._tasks.claim(task_id, self._context.worker_id)
            if task is not None:
                await self._attempt(task, turn)

    async def _alone_if_suspect(self, task_id: str) -> AbstractAsyncContextManager[Any]:
        """What a process died over is not done beside another such thing, or nobody could tell which it was."""
        task = await self._tasks.get(task_id)
        suspect = task is not None and (task.attempts > 0 or task.interruptions >= SUSPICIOUS_DEATHS)
        return self._context.suspects if suspect else nullcontext()

    async def _attempt(self, task: Task, turn: Turn) -> None:
        try:
            await _Preparation(self._context, self._crew, task, turn).run()
        except asyncio.CancelledError:
            await asyncio.shield(self._tasks.give_back(task))
            raise
        except ClaimLostError:
            await self._clear_up(task)
        except PermanentError as error:
            await self._fail(task, Failure(code=error.code, message=error.message))
        except TransientError as error:
            await (self._sit_out(task, error) if error.code in AWAY else self._failed_attempt(task, error))
        except Exception as error:  # noqa: BLE001 - an unforeseen error is a failed attempt, never a dead worker
            await self._failed_attempt(task, error)

    async def _sit_out(self, task: Task, error: TransientError) -> None:
        """Something was away or full, which is nobody's fault: give the task back, and start again.

        For the database it was time enough until it answered; blobs are looked for again after a while.
        """
        log.warning("preparing interrupted", task_id=task.id, error=error.message)
        await until_answered(partial(self._tasks.give_back, task), task_id=task.id)
        if not isinstance(error, StoreUnavailableError):
            await asyncio.sleep(AWAY_DELAYS * self._context.settings.retry_delay_seconds)
        await announce(self._context.resources, task.id)

    async def _failed_attempt(self, task: Task, error: Exception) -> None:
        log.warning("preparing failed", task_id=task.id, attempt=task.attempts, error=repr(error))
        if task.attempts >= self._context.settings.max_chunk_attempts:
            what = f"Preparing the audio failed {task.attempts} times ({type(error).__name__})."
            message = f"{what} POST …/retry tries again."
            await self._fail(task, Failure(code="preparation_failed", message=message))
            return
        await until_answered(partial(self._tasks.let_go, task), task_id=task.id)
        await asyncio.sleep(self._context.settings.retry_delay_seconds)
        await announce(self._context.resources, task.id)

    async def _fail(self, task: Task, failure: Failure) -> None:
        """The sweeper tidies up what a crash leaves here. Chunks stay where a retry may go on with them."""
        if not await until_answered(partial(self._tasks.fail_preparing, task, failure), task_id=task.id):
            return
        log.info("task failed", task_id=task.id, code=failure.code, error=failure.message)
        if failure.code not in PREPARE_AGAIN:
            await self._context.resources.chunks.cancel(task.id)
        await note_end(self._context.resources, task.id)
        await tidy(self._context.resources, task.id)

    async def _clear_up(self, task: Task) -> None:
        """Whoever cancelled or deleted cleared away what was there then; we may have written one chunk more."""
        current = await self._tasks.get(task.id)
        if current is None:
            await clear_deleted(self._context.resources, task)
        elif current.status is TaskStatus.CANCELLED:
            await clear_cancelled(self._context.resources, task.id)
        elif current.status in TASK_ENDED:
            await tidy(self._context.resources, task.id)


class _Preparation:
    """One attempt at one task."""

    def __init__(self, context: Context, crew: Crew, task: Task, turn: Turn) -> None:
        self._context = context
        self._resources = context.resources
        self._crew = crew
        self._task = task
        self._turn = turn
        self._known: set[int] = set()
        self._held: list[tuple[Cut, Pcm]] = []  # windows that wait for the language, or to be stored together
        self._count = 0
        self._core_samples = 0
        self._started, self._unlooked = False, 0  # and how many blocks ago the claim was looked at
        self._full, self._counted_at, self._released_at = False, 0.0, -HELD_SECONDS

    async def run(self) -> None:
        """Decode and cut to the end; every window is stored and announced on the way."""
        settings = self._context.settings
        mode = "parallel" if settings.use_parallel_transcription else "sequential"
        log.info(f"Using {mode} transcription mode", task_id=self._task.id, workers=settings.slots)
        self._known = await self._stored_before()
        cutter = Cutter(self._task.plan, self._on_thread)
        with self._context.credit.cutting(self._task):
            async with AsyncExitStack() as stack:
                decoder = await self._open(stack)
                pieces = await stack.enter_async_context(aclosing(cutter.cut(self._blocks(decoder))))
                async for cut, pcm in pieces:
                    await self._add(cut, pcm)
            await self._finish(cutter.totals.samples, decoder.report.warnings if decoder.report else [])

    async def _stored_before(self) -> set[int]:
        """By earlier attempts; who claims the task first need not ask."""
        return await self._resources.chunks.known(self._task.id) if self._task.fence > 1 else set()

    async def _open(self, stack: AsyncExitStack) -> Decoder:
        settings, key = self._context.settings, self._task.upload.key
        path = await stack.enter_async_context(self._resources.blobs.local_file(key, settings.scratch_dir))
        limits = DecodeLimits(max_seconds=settings.max_audio_seconds)
        decoder = await stack.enter_async_context(self._context.decoders.open(path, limits))
        seconds = decoder.info.declared_seconds
        self._check(await self._resources.tasks.declare(self._task, round(seconds * SAMPLE_RATE) if seconds else None))
        return decoder

    async def _blocks(self, decoder: Decoder) -> AsyncIterator[Pcm]:
        """The decoder's blocks; between two of them others may go first, and the claim is looked at."""
        async for block in decoder.blocks(BLOCK_SAMPLES):
            yield block
            self._unlooked += 1
            await self._turn.pass_on()
            if self._unlooked >= HOLD_BLOCKS:
                self._unlooked = 0
                self._check(await self._resources.tasks.holds(self._task))

    async def _add(self, cut: Cut, pcm: Pcm) -> None:
        self._held.append((cut, pcm))
        if not self._started and self._task.options.language is None and len(self._held) < LANGUAGE_WINDOWS:
            return
        enough = 1 if self._count < self._context.settings.slots else min(HELD_WINDOWS, self._count)
        longest = FULL_HELD_SECONDS if self._full else HELD_SECONDS
        if len(self._held) >= enough or time.monotonic() - self._released_at >= longest:
            await self._release()

    async def _release(self) -> None:
        """Store and announce what is held; the language comes first, since every chunk needs it."""
        if not self._started:
            await self._start()
        self._released_at = time.monotonic()
        await self._store(self._held)
        self._held.clear()

    async def _start(self) -> None:
        language, probability = self._task.options.language, self._task.language_probability
        if language is None:
            found = await self._crew.listener.language(
                self._task, [Window(pcm=pcm) for _, pcm in self._held], self._turn
            )
            language, probability = found.code, found.probability
        self._check(await self._resources.tasks.start_processing(self._task, language, probability))
        self._started = True

    async def _store(self, windows: Sequence[tuple[Cut, Pcm]]) -> None:
        """The audio before the chunks that name it, so that a chunk never lacks its audio."""
        new = [(cut, pcm) for cut, pcm in windows if cut.index not in self._known]
        for cut, pcm in new:
            await self._resources.blobs.put(f"pcm/{self._task.id}/{cut.index:06d}", pcm.tobytes())
        if new:
            await self._resources.chunks.add(self._task.id, [cut for cut, _ in new])
        self._count += len(windows)
        self._core_samples += sum(cut.core_end - cut.core_start for cut, _ in windows)
        self._unlooked = 0
        self._check(await self._resources.tasks.note_cut(self._task, self._count))
        self._context.credit.note_cut(self._task.id, self._count)
        await self._announce(windows[0][0].index if len(new) == len(windows) else None)

    async def _announce(self, new: int | None) -> None:
        """Where as many are out as may be, those who end them go on; now and then that is looked at."""
        if not self._full or time.monotonic() - self._counted_at >= FULL_SECONDS:
            self._counted_at = time.monotonic()
            self._full = await self._context.credit.top_up(self._task, cut=self._count, new=new)

    async def _finish(self, samples: int, warnings: Sequence[str]) -> None:
        if self._held:
            await self._release()
        self._check(
            await self._resources.tasks.finish_cutting(
                self._task,
                chunks_total=self._count,
                duration_samples=samples,
                silent_samples=samples - self._core_samples,
                warnings=warnings,
            )
        )
        await self._context.credit.top_up(self._task, cut=self._count)
        settings = self._context.settings
        mode = f"in parallel (workers={settings.slots})" if settings.use_parallel_transcription else "one by one"
        log.info(f"Transcribing {self._count} chunks {mode}...", task_id=self._task.id, seconds=samples / SAMPLE_RATE)
        self._crew.progress.note(self._task.id, total=self._count)

    async def _on_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._crew.threads, work)

    def _check(self, held: bool) -> None:
        if not held:
            raise ClaimLostError(f"Task {self._task.id} is no longer ours to prepare.")
