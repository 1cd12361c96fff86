"""Repairs what a crash, a lost message or an outage left undone. Runs in every worker; all it does is idempotent."""

import asyncio

import structlog

from core.errors import ParascribeError, TransientError
from core.flow.finish import tidy
from core.flow.removal import clear_cancelled, purge
from core.models import Task
from core.states import TASK_ENDED, ChunkState, TaskStatus
from worker.context import Context
from worker.hands import Hands
from worker.liveness import Observer
from worker.lost import LostWork
from worker.progress import Progress
from worker.runfiles import Cause, find_dead, forget
from worker.takeover import free_chunk, take_over

log = structlog.get_logger()

AWAY_HASTE = 5  # times as many passes while they alone bring work


class Sweeper:
    """One pass after the other, for ever."""

    def __init__(self, context: Context, hands: Hands, progress: Progress) -> None:
        self._context = context
        self._resources = context.resources
        self._hands = hands
        self._progress = progress
        self._observer = Observer(context.clock)
        self._seen: set[object] = set()
        self._lost = LostWork(context, hands)
        self._passes = 0

    async def run(self) -> None:
        """Sweep; a pass that fails (a database that is away) is followed by the next."""
        while True:
            try:
                await self.sweep()
            except TransientError as error:
                log.warning("sweep interrupted", error=str(error))
            except Exception:
                log.exception("sweep failed")
            settings = self._context.settings
            await asyncio.sleep(settings.sweep_seconds / (AWAY_HASTE if self._lost.away else 1))

    async def sweep(self) -> None:
        """One pass over the dead, the open tasks and the lost messages. Raises ``StoreUnavailableError``."""
        try:
            await self._sweep()
        except TransientError:
            self._observer = Observer(self._context.clock)  # who could not look cannot say that nothing moved
            self._lost.forget()
            raise

    async def _sweep(self) -> None:
        self._seen = set()
        await self._bury_local_dead()
        listed = await self._bury_silent()
        self._lost.begin(listed)
        async for task in self._resources.tasks.open():
            try:
                await self._task(task, listed)
            except ParascribeError as error:
                log.warning("task not swept", task_id=task.id, error=str(error))
        self._observer.forget_all_but(self._seen)
        await self._lost.end()  # at the end: a broker that hangs must not hold up the rest
        self._passes += 1

    # --- the dead

    async def _bury_local_dead(self) -> None:
        folder = self._context.run_folder
        for death in await asyncio.to_thread(find_dead, folder, but=self._context.worker_id):
            await take_over(self._context, death.worker_id, death.cause)
            forget(folder, death)

    async def _bury_silent(self) -> set[str]:
        """Take over from workers whose counter stands still; who is left on the list."""
        listed = set()
        for worker in await self._resources.workers.all():
            silent = worker.id != self._context.worker_id and self._unchanged(
                ("worker", worker.id), worker.beats, self._context.settings.dead_after_seconds
            )
            if silent:
                await take_over(self._context, worker.id, Cause.OUTSIDE)
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
        if self._unchanged(("ended", task.id), task.status, self._patience):
            await tidy(self._resources, task.id)

    async def _unfinished(self, task: Task, listed: set[str]) -> None:
        if not task.prepared:
            await self._unprepared(task, listed)
        if task.status is TaskStatus.PROCESSING:
            await self._chunks(task, listed)
        elif task.prepared:
            self._progress.note(task.id)  # nothing but silence, and a crash before its end was written
        self._lost.unfinished(task)

    async def _unprepared(self, task: Task, listed: set[str]) -> None:
        settings = self._context.settings
        if task.owner is not None:
            abandoned = self._abandoned(task.owner, listed, in_hand=task.id in self._hands.tasks)
            if abandoned and self._unchanged(("preparer", task.id), task.fence, settings.dead_after_seconds):
                await self._resources.tasks.give_back(task, interrupted=True)
            return
        self._lost.task(task)

    async def _chunks(self, task: Task, listed: set[str]) -> None:
        at_work = await self._resources.chunks.at_work(task.id)
        for chunk in (chunk for chunk in at_work if chunk.state is ChunkState.RUNNING):
            name = (task.id, chunk.cut.index)
            abandoned = self._abandoned(chunk.owner, listed, in_hand=name in self._hands.chunks)
            if abandoned and self._unchanged(name, chunk.fence, self._context.settings.dead_after_seconds):
                await free_chunk(self._context, chunk, Cause.OUTSIDE)
        self._lost.chunks(task, [chunk.cut.index for chunk in at_work if chunk.state is ChunkState.QUEUED])
        await self._continue(task, len(at_work))

    def _abandoned(self, owner: str | None, listed: set[str], *, in_hand: bool) -> bool:
        """Owned by nobody alive; or by us, who know nothing of it: a write whose answer an outage swallowed."""
        return owner not in listed or (owner == self._context.worker_id and not in_hand)

    async def _continue(self, task: Task, out: int) -> None:
        """Hand on credits that were lost, and end a task whose last chunk has ended. ``out``: chunks at work."""
        tally = None if out else await self._resources.chunks.tally(task.id)
        if tally is not None and task.prepared and not tally.count(ChunkState.PENDING):
            self._progress.note(task.id)
            return
        waiting = tally.count(ChunkState.PENDING) if tally else 0
        if not (waiting or task.chunks_cut > task.chunks_completed + task.chunks_failed + out):
            return
        stuck = self._unchanged(("credit", task.id), (task.chunks_completed, out), self._patience)
        if stuck:
            self._context.credit.look_again(task.id)
        if stuck or self._lost.is_ours(task.id):  # all sweepers at once would hand on too many
            await self._context.credit.look_back(task.id)
            await self._context.credit.top_up(task, cut=task.chunks_cut)

    @property
    def _patience(self) -> float:
        return 2 * self._context.settings.sweep_seconds

    def _unchanged(self, thing: object, state: object, seconds: float) -> bool:
        self._seen.add(thing)
        return self._observer.unchanged_for(thing, state) >= seconds
