"""Keeps the figures that a poll reads true, and ends tasks. Many chunks may end at once: one count serves them all."""

import asyncio
import time

import structlog

from core.flow.finish import settle
from core.flow.resources import Resources
from core.models import Task
from worker.jobs import Jobs

log = structlog.get_logger()

LEAST_SECONDS = 0.25  # between two counts of one task
COST_FACTOR = 20  # and at least this many times what the last count took: counting a day's chunks is not free


class Progress:
    """Counts a task's chunks soon after something of it ended, but not after every single one."""

    def __init__(self, resources: Resources, jobs: Jobs, *, parallel: bool) -> None:
        self._resources = resources
        self._jobs = jobs
        self._mode = "Parallel" if parallel else "Sequential"
        self._news: dict[str, asyncio.Event] = {}

    def note(self, task_id: str) -> None:
        """Something of the task ended."""
        if task_id in self._news:
            self._news[task_id].set()
            return
        self._news[task_id] = asyncio.Event()
        self._jobs.start(self._follow(task_id))

    async def _follow(self, task_id: str) -> None:
        news = self._news[task_id]
        try:
            while True:
                news.clear()
                started = time.monotonic()
                await self.count(task_id)
                await asyncio.sleep(max(LEAST_SECONDS, COST_FACTOR * (time.monotonic() - started)))
                if not news.is_set():
                    return
        finally:
            del self._news[task_id]

    async def count(self, task_id: str) -> None:
        """Write the figures now, and end the task if nothing of it is left."""
        task = await self._resources.tasks.get(task_id)
        if task is not None and await settle(self._resources, task):
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
