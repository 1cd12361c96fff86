"""How many chunk messages a task may have out, and the handing on of the next.

A task with few messages out leaves room for others, so tasks share the fleet whatever their length, and to stop handing
on is to cancel. The limit is twice what the fleet can hold in its slots: every slot finds its next batch waiting.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from core.adapters.mongo.workers import WorkerInfo
from core.flow.heralds import Herald
from core.flow.resources import Resources
from core.models import Task
from core.ports import Message, Queue

REMEMBERED = 1_000  # tasks
TRIES = 4  # at handing on without going over a task's own limit, when several processes do so at the same moment
LONGEST_STEP_ASIDE_SECONDS = 0.1


class Credits:
    """Hands on credits. Remembers per task from which index on to look; forgetting that only costs a few reads.

    Within one process a task's credits are counted by one at a time, and whoever asks meanwhile is served by the same
    count. Two processes that count at the same moment may both hand on: a task is then over the fleet's limit by at
    most that limit for each process, until the chunks that are too many have ended. A limit that the client set is
    kept to: what would break it is taken back before anybody hears of it.
    """

    def __init__(
        self, resources: Resources, *, fleet_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tasks = resources.tasks
        self._chunks = resources.chunks
        self._fleet = _Fleet(resources, fleet_seconds, clock)
        self.herald = Herald(resources.broker, clock=clock)
        self._from: OrderedDict[str, int] = OrderedDict()
        self._cut: OrderedDict[str, tuple[Task, float]] = OrderedDict()  # and until when it is not read again
        self._cutting: dict[str, Task] = {}  # by this process
        self._clock, self._cut_seconds = clock, fleet_seconds
        self._wanted: dict[str, int] = {}  # up to which index, by those who wait for a count that has not begun
        self._counting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def limit(self, task: Task) -> int:
        """The most messages that the task may have out."""
        if task.max_parallel_workers is not None:
            return task.max_parallel_workers
        return 2 * max(1, sum(worker.slots * worker.batch for worker in await self._fleet.workers()))

    async def slots(self) -> int:
        """Of all workers, at least one."""
        return max(1, sum(worker.slots for worker in await self._fleet.workers()))

    async def top_up(self, task: Task, *, cut: int, new: int | None = None) -> bool:
        """Publish as many of the first ``cut`` chunks as the limit allows; those from ``new`` on were stored just now.

        It counts what is out each time that one may be left, unless all chunks there are may be out, so whatever went
        wrong before, too many or too few, is put right by the next. True where the limit is reached and may have kept
        one back: those who end a chunk go on from there.
        """
        return await self._serve(task.id, cut, task, new)

    async def go_on(self, task_id: str) -> None:
        """A chunk of the task has ended: as :meth:`top_up`, up to the last chunk that is cut by now."""
        await self._serve(task_id, 0, None)

    @contextmanager
    def cutting(self, task: Task) -> Iterator[None]:
        """While this process cuts it, and tells of its chunks by :meth:`note_cut`, nothing is read for it. What is
        cancelled or deleted meanwhile has no chunk any more that could be handed on; what another one has taken over,
        that one hands on."""
        self._cutting[task.id] = task
        try:
            yield
        finally:
            del self._cutting[task.id]

    def note_cut(self, task_id: str, count: int) -> None:
        """So many chunks are stored, whether or not they are announced yet: who ends one may go on up to there."""
        known = self._cutting[task_id]  # an attempt before this one may have cut more
        self._cutting[task_id] = replace(known, chunks_cut=max(count, known.chunks_cut))

    async def task(self, task_id: str) -> Task | None:
        """For what its credits go by. That is settled when a task is cut to its end, unless it is deleted: then it is
        read again only after a while."""
        if task_id in self._cutting:
            return self._cutting[task_id]
        known, until = self._cut.get(task_id, (None, 0.0))
        if known is not None and self._clock() < until:
            return known
        task = await self._tasks.get(task_id)
        if task is not None and task.prepared:
            self._cut[task_id] = task, self._clock() + self._cut_seconds
            _trim(self._cut)
        return task

    async def has_more(self, task: Task) -> bool:
        """Whether chunks of the task are still to be announced, or still to be cut."""
        return not task.prepared or await self._chunks.has_pending(
            task.id, self._from.get(task.id, 0), task.chunks_total or 0
        )

    def look_again(self, task_id: str) -> None:
        """Chunks before the remembered index may be pending again."""
        self._from.pop(task_id, None)

    async def look_back(self, task_id: str) -> None:
        """Look whether chunks before the remembered index are pending again."""
        if await self._chunks.has_pending_before(task_id, self._from.get(task_id, 0)):
            self.look_again(task_id)

    async def _serve(self, task_id: str, cut: int, task: Task | None, new: int | None = None) -> bool:
        lock = self._counting.setdefault(task_id, asyncio.Lock())
        self._wanted[task_id] = max(cut, self._wanted.get(task_id, 0))
        async with lock:
            wanted = self._wanted.pop(task_id, None)
            if wanted is None:
                return False  # somebody who waited with us has counted since we asked
            try:
                current = task or await self.task(task_id)
                return current is not None and await self._hand_on(current, max(wanted, current.chunks_cut), new)
            except BaseException:
                self._wanted.setdefault(task_id, wanted)  # those who wait with us still want it
                raise

    async def _hand_on(self, task: Task, cut: int, new: int | None) -> bool:
        if self._from.get(task.id, 0) >= cut:
            return False  # all are announced, and nobody has said that one is pending again
        limit = await self.limit(task)
        for _ in range(TRIES):
            free = await self._free(task, cut, limit)
            indexes = await self._queue(task.id, cut, free, new) if free > 0 else []
            if not await self._too_many(task, limit, indexes):
                await self.herald.send(Queue.CHUNKS, [Message(task_id=task.id, chunk=index) for index in indexes])
                return len(indexes) >= free
            await self._chunks.withdraw(task.id, indexes)
            self.look_again(task.id)
            await asyncio.sleep(random.uniform(0, LONGEST_STEP_ASIDE_SECONDS))  # noqa: S311 - no secret, a jitter
        return False

    async def _free(self, task: Task, cut: int, limit: int) -> int:
        """How many more may be out. Where all there are may be, as with most files, nobody counts: the limit."""
        if cut <= limit and task.max_parallel_workers is None:
            return limit
        return limit - await self._chunks.out(task.id)

    async def _queue(self, task_id: str, cut: int, most: int, new: int | None) -> list[int]:
        """Mark the task's next pending chunks as announced."""
        start = self._from.setdefault(task_id, 0)
        indexes = await self._chunks.queue_some(task_id, start, cut, most, new)
        if indexes and self._from.get(task_id) == start:  # nobody has said meanwhile that earlier ones are back
            self._from[task_id] = indexes[-1] + 1
            self._from.move_to_end(task_id)
        _trim(self._from)
        return indexes

    async def _too_many(self, task: Task, limit: int, indexes: list[int]) -> bool:
        """Only for a limit of the client's: others may have handed on since we counted. Who is alone need not ask."""
        if task.max_parallel_workers is None or not indexes or len(await self._fleet.workers()) < 2:
            return False
        return await self._chunks.out(task.id) > limit


def _trim(remembered: OrderedDict[str, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)


class _Fleet:
    """The workers on the list, read anew once in a while."""

    def __init__(self, resources: Resources, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._store = resources.workers
        self._seconds = seconds
        self._known: list[WorkerInfo] = []
        self._read_at: float | None = None

    async def workers(self) -> list[WorkerInfo]:
        """As they were at most so many seconds ago; an empty list is not remembered."""
        now = self._clock()
        if not self._known or self._read_at is None or now - self._read_at >= self._seconds:
            self._known, self._read_at = await self._store.all(), now
        return self._known
