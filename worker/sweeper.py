"""Repairs what a crash, a lost message or an outage left undone. Runs in every worker; all it does is idempotent."""

import asyncio
from dataclasses import dataclass

import structlog

from core.errors import ParascribeError, TransientError
from core.flow.finish import tidy
from core.flow.removal import clear_cancelled, purge
from core.flow.submit import announce
from core.models import Task
from core.ports import Message, Queue
from core.states import TASK_ENDED, ChunkState, TaskStatus
from worker.context import Context
from worker.intake import Intake
from worker.liveness import Observer
from worker.prepare import SHORT_FILES, Preparer
from worker.progress import Progress
from worker.runfiles import find_dead, forget
from worker.settling import Settler
from worker.slots import Slots
from worker.takeover import free_chunk, take_over

log = structlog.get_logger()

LOST_SECONDS = 60.0  # a message of a lasting broker that nobody has taken for this long, with its queue empty, is lost


@dataclass(frozen=True, kw_only=True, slots=True)
class Hands:
    """What this worker really works on, whatever the database says that it owns."""

    preparer: Preparer
    intake: Intake
    settler: Settler
    slots: Slots

    @property
    def tasks(self) -> set[str]:
        """Tasks being prepared, or waiting for it."""
        return self.preparer.held

    @property
    def chunks(self) -> set[tuple[str, int]]:
        """Task and index of the chunks that wait, are in a slot, or are being settled."""
        return self.intake.held | self.slots.parked | self.settler.unsettled


class Sweeper:
    """One pass after the other, for ever."""

    def __init__(self, context: Context, hands: Hands, progress: Progress) -> None:
        self._context = context
        self._resources = context.resources
        self._hands = hands
        self._progress = progress
        self._observer = Observer(context.clock)
        self._seen: set[object] = set()
        self._blobs = Observer(context.clock)
        self._passes = 0
        self._wake_ups = 0
        settings = context.settings
        self._orphan_passes = max(1, round(settings.orphan_seconds / settings.sweep_seconds / 4))

    async def run(self) -> None:
        """Sweep; a pass that fails (a database that is away) is followed by the next."""
        while True:
            try:
                await self.sweep()
            except TransientError as error:
                log.warning("sweep interrupted", error=str(error))
            except Exception:
                log.exception("sweep failed")
            await asyncio.sleep(self._context.settings.sweep_seconds)

    async def sweep(self) -> None:
        """One pass over the dead, the open tasks and, now and then, the blobs. Raises ``StoreUnavailableError``."""
        try:
            await self._sweep()
        except TransientError:
            self._observer = Observer(self._context.clock)  # who could not look cannot say that nothing moved
            raise

    async def _sweep(self) -> None:
        self._seen = set()
        await self._bury_local_dead()
        listed = await self._bury_silent()
        self._wake_ups = await self._room_for_tasks()
        async for task in self._resources.tasks.open():
            try:
                await self._task(task, listed)
            except ParascribeError as error:
                log.warning("task not swept", task_id=task.id, error=str(error))
        if self._passes % self._orphan_passes == 0:
            await self._orphans()
        self._passes += 1
        self._observer.forget_all_but(self._seen)

    # --- the dead

    async def _bury_local_dead(self) -> None:
        folder = self._context.run_folder
        for death in await asyncio.to_thread(find_dead, folder, but=self._context.worker_id):
            await take_over(self._context, death.worker_id, crashed=death.crashed)
            forget(folder, death)

    async def _bury_silent(self) -> set[str]:
        """Take over from workers whose counter stands still; who is left on the list."""
        listed = set()
        for worker in await self._resources.workers.all():
            silent = worker.id != self._context.worker_id and self._unchanged(
                ("worker", worker.id), worker.beats, self._context.settings.dead_after_seconds
            )
            if silent:
                await take_over(self._context, worker.id, crashed=False)
            else:
                listed.add(worker.id)
        return listed

    # --- tasks

    async def _task(self, task: Task, listed: set[str]) -> None:
        if task.deleted:
            await purge(self._resources, task.id)
        elif task.status is TaskStatus.CANCELLED:
            await clear_cancelled(self._resources, task.id)
        elif task.status in TASK_ENDED:
            await self._tidy(task)
        else:
            await self._unfinished(task, listed)

    async def _tidy(self, task: Task) -> None:
        """Whoever ended it may be at it right now: only what stays open is ours."""
        if self._unchanged(("ended", task.id), task.status, 2 * self._context.settings.sweep_seconds):
            await tidy(self._resources, task.id)

    async def _unfinished(self, task: Task, listed: set[str]) -> None:
        if not task.prepared:
            await self._unprepared(task, listed)
        if task.status is TaskStatus.PROCESSING:
            await self._chunks(task, listed)
        elif task.prepared:
            self._progress.note(task.id)  # nothing but silence, and a crash before its end was written

    async def _unprepared(self, task: Task, listed: set[str]) -> None:
        settings = self._context.settings
        if task.owner is not None:
            abandoned = self._abandoned(task.owner, listed, in_hand=task.id in self._hands.tasks)
            if abandoned and self._unchanged(("preparer", task.id), task.fence, settings.dead_after_seconds):
                await self._resources.tasks.give_back(task, interrupted=True)
            return
        lost = task.id not in self._hands.tasks and self._lost(("task", task.id), task.fence)
        if lost and self._wake_ups > 0:
            self._wake_ups -= 1
            await announce(self._resources, task.id)

    async def _room_for_tasks(self) -> int:
        """How many lost messages to send again in this pass: what a worker takes at once, where nothing waits yet."""
        waiting = await self._resources.broker.ready(Queue.TASKS)
        return 0 if waiting else self._context.settings.max_concurrent_jobs + SHORT_FILES

    async def _chunks(self, task: Task, listed: set[str]) -> None:
        for chunk in await self._resources.chunks.running(task.id):
            name = (task.id, chunk.cut.index)
            abandoned = self._abandoned(chunk.owner, listed, in_hand=name in self._hands.chunks)
            if abandoned and self._unchanged(name, chunk.fence, self._context.settings.dead_after_seconds):
                await free_chunk(self._context, chunk, crashed=False)
        await self._announce_lost(task)
        await self._continue(task)

    def _abandoned(self, owner: str | None, listed: set[str], *, in_hand: bool) -> bool:
        """Owned by nobody alive; or by us, who know nothing of it: a write whose answer an outage swallowed."""
        return owner not in listed or (owner == self._context.worker_id and not in_hand)

    async def _announce_lost(self, task: Task) -> None:
        """Messages that neither wait in the broker nor are in our hands, and that nobody else has claimed for long."""
        held = self._hands.chunks
        for index in sorted(await self._resources.chunks.queued(task.id)):
            if (task.id, index) in held or not self._lost(("queued", task.id, index), index):
                continue
            if await self._resources.broker.ready(Queue.CHUNKS) == 0 or self._resources.broker.volatile:
                await self._resources.broker.publish(Queue.CHUNKS, Message(task_id=task.id, chunk=index))

    async def _continue(self, task: Task) -> None:
        """Hand on credits that were lost, and end a task whose last chunk has ended."""
        out = await self._resources.chunks.out(task.id)
        tally = None if out else await self._resources.chunks.tally(task.id)
        if tally is not None and task.prepared and not tally.count(ChunkState.PENDING):
            self._progress.note(task.id)
            return
        waiting = tally.count(ChunkState.PENDING) if tally else 0
        if waiting or task.chunks_cut > task.chunks_completed + task.chunks_failed + out:
            self._context.credit.look_again(task.id)
            await self._context.credit.top_up(task, cut=task.chunks_cut)

    # --- blobs

    async def _orphans(self) -> None:
        """Blobs whose task is gone: an upload that was never accepted, or a delete that lost a race."""
        if not await self._resources.tasks.any():
            return  # an empty database beside full blobs is more likely a wrong MONGO_DATABASE
        seen, old = set(), set()
        for prefix in ("uploads", "pcm"):
            async for blob in self._resources.blobs.iterate(prefix):
                seen.add(blob.key)
                if self._blobs.unchanged_for(blob.key, blob.size_bytes) >= self._context.settings.orphan_seconds:
                    old.add(blob.key)
        self._blobs.forget_all_but(seen)
        known = await self._resources.tasks.existing(sorted({_task_of(key) for key in old}))
        await self._resources.blobs.delete(*[key for key in old if _task_of(key) not in known])

    def _lost(self, thing: object, state: object) -> bool:
        """A volatile broker's messages died with the process that had them: what we do not hold is soon called lost."""
        patience = 2 * self._context.settings.sweep_seconds if self._resources.broker.volatile else LOST_SECONDS
        first_pass = self._passes == 0 and self._resources.broker.volatile
        return self._unchanged(thing, state, patience) or first_pass

    def _unchanged(self, thing: object, state: object, seconds: float) -> bool:
        self._seen.add(thing)
        return self._observer.unchanged_for(thing, state) >= seconds


def _task_of(key: str) -> str:
    """``uploads/<task>`` and ``pcm/<task>/<index>``."""
    return key.split("/")[1]
