"""When a task is counted, and how soon its end is noted."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from core.adapters.mongo.tally import Tally
from core.models import CutPlan, Options, Task, Upload
from core.states import ChunkState, TaskStatus
from tests.support.tasks import until
from worker import progress
from worker.jobs import Jobs
from worker.progress import Progress

SOON = 5.0  # and far less than the pause between two counts


class Store:
    """Of one task: how many chunks it has, as far as it is cut, and how many of them have ended."""

    def __init__(self, *, total: int | None, chunks: int) -> None:
        self.total, self.chunks, self.done = total, chunks, 0
        self.counts = 0
        self.ended = False
        self.counting = asyncio.Event()  # not set: a count has been made and its answer is under way
        self.counting.set()

    async def get(self, _: str) -> Task:
        return Task(
            id="t",
            status=TaskStatus.COMPLETED if self.ended else TaskStatus.PROCESSING,
            filename="a.wav",
            options=Options(model="base"),
            word_timestamps=False,
            max_parallel_workers=None,
            plan=CutPlan(),
            upload=Upload(key="a", size_bytes=1, sha256=""),
            created_at=datetime.now(UTC),
            chunks_total=self.total,
        )

    async def tally(self, _: str) -> Tally:
        chunks = {ChunkState.DONE: self.done, ChunkState.RUNNING: self.chunks - self.done}
        self.counts += 1
        await self.counting.wait()
        return Tally(chunks=chunks, samples=dict.fromkeys(chunks, 1))

    async def end(self, *_: object, **__: object) -> bool:
        self.ended = True
        return False  # and the tidying up is somebody else's

    async def note_progress(self, *_: object, **__: object) -> None:
        pass


@pytest.fixture(autouse=True)
def long_pause(monkeypatch):
    """No second count by chance."""
    monkeypatch.setattr(progress, "LEAST_SECONDS", 600.0)


async def followed(store: Store, *, in_hand: bool = True) -> Progress:
    """What follows the task, after its first count. ``in_hand``: whether this worker has more of it."""
    jobs = Jobs()
    kept = Progress(SimpleNamespace(tasks=store, chunks=store), jobs, parallel=True, in_hand=lambda _: in_hand)
    kept.note("t")
    await counted(store, 1)
    return kept


async def counted(store: Store, times: int) -> None:
    """So often and not once more."""

    async def counts() -> int:
        return store.counts

    await until(counts, lambda count: count >= times, SOON)
    await asyncio.sleep(0.05)
    assert store.counts == times


async def test_the_end_is_noted_at_once_where_nothing_can_be_left():
    """By the count before and by what has ended here since; until then counts are apart."""
    store = Store(total=3, chunks=3)
    kept = await followed(store)
    for _ in range(3):
        await counted(store, 1)
        store.done += 1
        kept.note("t", ended=1)
    await counted(store, 2)
    assert store.ended


async def test_what_other_workers_end_is_left_to_the_pause():
    """Their chunks may be at work for long."""
    store = Store(total=3, chunks=3)
    kept = await followed(store)
    store.done = 3
    kept.note("t", ended=2)
    kept.note("t")  # an attempt has failed, and is made again
    await counted(store, 1)


@pytest.fixture
def dear(monkeypatch):
    """Counts that cost much beside the pauses."""
    monkeypatch.setattr(progress, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "MOST_SECONDS", 600.0)
    monkeypatch.setattr(progress, "COST_FACTOR", 1e9)


async def test_who_has_nothing_of_it_in_hand_any_more_counts_soon(dear):
    """Its chunk may have been the last of all; a count that is dear is waited for only while more is to come."""
    busy, idle = Store(total=3, chunks=3), Store(total=3, chunks=3)
    at_work, at_rest = await followed(busy), await followed(idle, in_hand=False)
    for store, kept in (busy, at_work), (idle, at_rest):
        store.done = 3
        kept.note("t", ended=1)
    await counted(idle, 2)
    assert (idle.ended, busy.ended, busy.counts) == (True, False, 1)


async def test_who_waits_for_more_of_it_does_not_count_all_the_time(dear, monkeypatch):
    """Where cutting is slower than hearing nothing is in hand after each chunk."""
    monkeypatch.setattr(progress, "SOON_FACTOR", 1e9)
    store = Store(total=None, chunks=3)
    kept = await followed(store, in_hand=False)
    for _ in range(3):
        kept.note("t", ended=1)
        await counted(store, 1)


async def test_no_count_is_so_dear_that_the_figures_stand_still(dear, monkeypatch):
    """The sweeper would take the task for stuck."""
    monkeypatch.setattr(progress, "MOST_SECONDS", 0.1)
    monkeypatch.setattr(progress, "SOON_FACTOR", 0.0)
    store = Store(total=3, chunks=3)
    (await followed(store)).note("t", ended=1)
    await counted(store, 2)


async def test_the_end_is_noted_at_once_where_the_cutting_ends_last():
    """How many chunks there are is told by whoever cut them."""
    store = Store(total=None, chunks=2)
    kept = await followed(store)
    store.done = 2
    kept.note("t", ended=2)
    await counted(store, 1)
    store.total = 2
    kept.note("t", total=2)
    await counted(store, 2)
    assert store.ended


async def test_what_ends_while_it_is_counted_is_not_forgotten():
    """The count may have it or not: once too often is better than too late."""
    store = Store(total=2, chunks=2)
    store.counting.clear()
    kept = await followed(store)
    store.done = 2
    kept.note("t", ended=2)
    store.counting.set()
    await counted(store, 2)
    assert store.ended


async def test_a_chunk_that_was_counted_twice_costs_one_count_more():
    """The count had it already when it was noted: after one more it is known better."""
    store = Store(total=2, chunks=2)
    store.counting.clear()
    store.done = 1
    kept = await followed(store)
    kept.note("t", ended=1)
    store.counting.set()
    await counted(store, 2)
    assert not store.ended
