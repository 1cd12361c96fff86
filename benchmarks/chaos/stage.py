"""What a scenario plays on: a fleet, a seed, jobs that were accepted, and what it has found out so far."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos.evidence import look
from benchmarks.chaos.invariants import SeenTask
from benchmarks.chaos.recordings import Recording, recordings
from benchmarks.chaos.report import Outcome
from benchmarks.private.fleet import Fleet
from benchmarks.private.journal import Call, repeated
from benchmarks.private.processes import Child

POLL_SECONDS = 0.05
END_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An upload that was answered with 202."""

    task_id: str
    recording: Recording


@dataclass(kw_only=True, slots=True)
class Stage:
    """One scenario under way. ``size``: how many faults it is to make."""

    fleet: Fleet
    random: random.Random
    size: int
    quick: bool
    outcome: Outcome
    patience: float = END_SECONDS  # how long anything may take; short where it is expected never to come
    jobs: list[Job] = field(default_factory=list)
    expected: frozenset[str] = frozenset({"completed"})
    seen: list[SeenTask] = field(default_factory=list)
    _skip: int = 0  # attempts in the journal that are not ours
    _numbers: int = 0

    def __post_init__(self) -> None:
        self._skip = len(self.fleet.journal.calls())

    # --- work

    async def submit(self, count: int, seconds: float | None = None) -> list[Job]:
        """Upload recordings that this scenario has not used yet."""
        numbers = range(self._numbers, self._numbers + count)
        self._numbers += count
        made = await (recordings(numbers) if seconds is None else recordings(numbers, seconds))
        return [await self.send(one) for one in made]

    async def send(self, one: Recording) -> Job:
        """Upload until it is accepted."""
        job = Job(task_id=await self.fleet.client.upload(one.data, one.name), recording=one)
        self.jobs.append(job)
        return job

    async def running(self) -> int:
        """How many tasks have not ended."""
        where = {"status": {"$in": ["queued", "preparing", "processing"]}, "deleted": False}
        return int(await self.fleet.store["tasks"].count_documents(where))

    async def keep_busy(self, least: int = 1) -> None:
        """More work, where the work runs out before the faults do."""
        if await self.running() < least:
            await self.submit(2)

    async def ended(self) -> list[SeenTask]:
        """Wait until every job has ended, and look at each."""
        deadline = time.monotonic() + self.patience
        for job in self.jobs:
            await self.fleet.client.ended(job.task_id, max(0.1, deadline - time.monotonic()))
        self.seen = [await look(self.fleet, job.task_id, job.recording) for job in self.jobs]
        return self.seen

    # --- what was observed

    def calls(self) -> list[Call]:
        """Attempts at windows since the scenario began."""
        return self.fleet.journal.calls(self._skip)

    def retranscribed(self) -> int:
        """Attempts that were not the first at their window."""
        return repeated(self.calls())

    def expect(self, holds: bool, otherwise: str) -> None:
        """A figure of this scenario."""
        if not holds:
            self.outcome.ok = False
            self.outcome.notes.append(otherwise)

    def note(self, **figures: Any) -> None:
        """Print these, too."""
        self.outcome.figures.update(figures)

    def recovered(self, seconds: float) -> None:
        """One more fault is got over, after so long."""
        self.outcome.recoveries.append(seconds)

    # --- faults

    async def moment(self, longest: float) -> None:
        """A random moment from the seed, at most so many seconds away."""
        await asyncio.sleep(self.random.uniform(0.0, longest))

    def any_worker(self) -> Child:
        """One of them."""
        return self.random.choice(self.fleet.workers)

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float) -> float | None:
        """Seconds until it holds; None where it did not in time."""
        began, seconds = time.monotonic(), min(seconds, self.patience)
        while not await holds():
            if time.monotonic() - began > seconds:
                return None
            await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - began


@asynccontextmanager
async def timed(outcome: Outcome) -> AsyncIterator[None]:
    """Note how long the block took."""
    began = time.monotonic()
    try:
        yield
    finally:
        outcome.seconds = time.monotonic() - began


def windows_of(jobs: Sequence[Job]) -> int:
    """How many windows they have together."""
    return sum(len(job.recording.windows) for job in jobs)
