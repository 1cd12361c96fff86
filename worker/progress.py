"""Keeps the figures that a poll reads true, and ends tasks. Many chunks may end at once: one count serves them all.

The next count waits a while, but for the last one: where, by the one before and by what has ended here since, nothing
can be left, the task is counted at once. What other workers have ended is not known here: who has nothing of a task in
hand any more may have ended its last chunk, and counts it rather soon.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from core.adapters.mongo.tally import Tally
from core.flow.finish import OPEN, settle
from core.flow.resources import Resources
from core.models import Task
from worker.jobs import Jobs

log = structlog.get_logger()

LEAST_SECONDS, MOST_SECONDS = 0.25, 5.0  # between two counts of one task; but see the next two
COST_FACTOR = 50  # so many times what the last count took: counting a day's chunks is not free
SOON_FACTOR = 5  # where nothing of the task is in hand: its last chunk may have ended, or more may be to come


@dataclass(kw_only=True, slots=True)
class _Followed:
    """What is known of a task from one count to the next."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)  # nothing can be left of it
    away: asyncio.Event = field(default_factory=asyncio.Event)  # what is left is not here
    total: int | None = None  # chunks, when all are cut
    ended: int = 0  # chunks that had when they were counted
    since: int = 0  # chunks that have here, since that count began: those that it saw too are in both

    def begin(self) -> None:
        """A count begins: it will have in it all that was noted."""
        self.news.clear()
        self.over.clear()
        self.away.clear()
        self.since = 0

    def counted(self, task: Task, tally: Tally) -> None:
        """It has ended."""
        self.total = self.total if task.chunks_total is None else task.chunks_total
        self.ended = sum(tally.chunks.values()) - tally.count(*OPEN)
        self._judge()

    def note(self, ended: int, total: int | None, *, away: bool) -> None:
        """Something has happened meanwhile."""
        self.news.set()
        if away:
            self.away.set()
        self.since += ended
        self.total = self.total if total is None else total
        self._judge()

    def _judge(self) -> None:
        """One that was counted twice may say so too early. That costs a count, after which it is known better."""
        if self.news.is_set() and self.total is not None and self.ended + self.since >= self.total:
            self.over.set()
            self.away.set()

    async def pause(self, cost_seconds: float) -> None:
        """Until the next count is due, by what the last one cost, or shorter by what is noted meanwhile."""
        soon = max(LEAST_SECONDS, SOON_FACTOR * cost_seconds)
        for event, seconds in (self.over, soon), (self.away, min(COST_FACTOR * cost_seconds, MOST_SECONDS) - soon):
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds)):
                    await event.wait()
                    return


class Progress:
    """Counts a task's chunks soon after something of it ended, but not after every single one."""

    def __init__(self, resources: Resources, jobs: Jobs, *, parallel: bool, in_hand: Callable[[str], bool]) -> None:
        """``in_hand``: whether chunks of a task wait here or are in a slot."""
        self._resources = resources
        self._jobs = jobs
        self._in_hand = in_hand
        self._mode = "Parallel" if parallel else "Sequential"
        self._followed: dict[str, _Followed] = {}

    def note(self, task_id: str, *, ended: int = 0, total: int | None = None) -> None:
        """Something of the task ended: so many chunks for good, or its cutting, with so many in all."""
        if task_id in self._followed:
            self._followed[task_id].note(ended, total, away=not self._in_hand(task_id))
            return
        self._followed[task_id] = _Followed()
        self._jobs.start(self._follow(task_id))

    async def _follow(self, task_id: str) -> None:
        followed = self._followed[task_id]
        try:
            while True:
                followed.begin()
                started = time.monotonic()
                await self.count(task_id)
                await followed.pause(time.monotonic() - started)
                if not followed.news.is_set():
                    return
        finally:
            del self._followed[task_id]

    async def count(self, task_id: str) -> None:
        """Write the figures now, and end the task if nothing of it is left."""
        task = await self._resources.tasks.get(task_id)
        if task is None:
            return
        tally = await self._resources.chunks.tally(task_id)
        if task_id in self._followed:
            self._followed[task_id].counted(task, tally)
        if await settle(self._resources, task, tally):
            await self._tell(task)

    async def _tell(self, task: Task) -> None:
        ended = await self._resources.tasks.get(task.id)
        if ended is None or ended.started_at is None or ended.finished_at is None:
            return
        seconds = (ended.finished_at - ended.started_at).total_seconds()
        log.info(
            f"{self._mode} transcription complete in {seconds:.1f}s",
            task_id=task.id,
            status=ended.status.value,
            chunks=ended.chunks_total,
        )
