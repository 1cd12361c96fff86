"""Watches that run beside a play: when each process first worked, and what was finished when."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.chaos.stage import Stage
from benchmarks.private.processes import Child

LOOK_SECONDS = 0.02


@dataclass(kw_only=True, slots=True)
class FirstCalls:
    """When a process was first seen to transcribe, by its id, on the monotonic clock."""

    at: dict[int, float] = field(default_factory=dict)

    def after(self, child: Child, moment: float) -> float | None:
        """Seconds from a moment until a later life of this child worked."""
        later = [self.at[life] for life in _lives_after(child, moment) if life in self.at]
        return min(later) - moment if later else None


def _lives_after(child: Child, moment: float) -> list[int]:
    """Process ids that it had after a moment at which it died."""
    later = [exit_.pid for exit_ in child.exits if exit_.at > moment + 0.2]
    return [*later, child.pid]


@asynccontextmanager
async def first_calls(stage: Stage) -> AsyncIterator[FirstCalls]:
    """Watch for the length of the block."""
    first = FirstCalls()

    async def watch() -> None:
        while True:
            for call in stage.calls():
                first.at.setdefault(call.pid, time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        yield first
    finally:
        watching.cancel()


@dataclass(kw_only=True, slots=True)
class Finished:
    """Windows that were stored as done, and how often each had been tried by then: never to be tried again."""

    stage: Stage
    tries: dict[str, int] = field(default_factory=dict)

    async def note(self) -> None:
        """Remember what is done by now."""
        done = [one["_id"] async for one in self.stage.fleet.store["chunks"].find({"state": "done"}, {"_id": 1})]
        windows = {job.task_id: job.recording.windows for job in self.stage.jobs}
        counts = self.stage.fleet.journal.counts()
        for name in done:
            task_id, _, index = name.rpartition(":")
            if task_id in windows:
                window = windows[task_id][int(index)]
                self.tries.setdefault(window, counts[window])

    def again(self) -> int:
        """How many attempts came after that."""
        counts = self.stage.fleet.journal.counts()
        return sum(counts[window] - tries for window, tries in self.tries.items())
