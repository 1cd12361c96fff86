"""While sizes of batches are tried there is room for the largest: on the list, with the broker, and without it."""

import asyncio
from types import SimpleNamespace

import pytest

from core.config import Settings
from core.errors import StoreUnavailableError
from core.models import Options
from core.ports import Queue
from worker.batch_memory import remember
from worker.batching import BatchSize, Finding
from worker.liveness import announce, beat
from worker.lost import LostWork
from worker.runtime import Worker

OPEN = BatchSize(of=Options(model="base"), slots=2)
SETTLED = BatchSize(of=Options(model="base"), slots=2, settled=4)


class Workers:
    """A list of workers on which this one never stays."""

    def __init__(self) -> None:
        self.told = asyncio.Queue()
        self.errors = []  # of the next beats

    async def register(self, worker_id, *, slots, batch, beats):
        await self.told.put((slots, batch, beats))

    async def beat(self, worker_id, count):
        if self.errors:
            raise self.errors.pop()
        return False


class Broker:
    """One that lasts; it knows how much it was asked for at once."""

    volatile = False

    def __init__(self) -> None:
        self.prefetch = {}

    async def consume(self, queue, handler, *, prefetch):
        self.prefetch[queue] = prefetch


class Away:
    """A herald whose broker is away."""

    async def obstacle(self):
        return "It is away."


class Waiting(list):
    """An intake: what waits, and the size of batches."""


def context(tmp_path, **resources):
    """Of a worker with two slots."""
    settings = Settings(_env_file=None, max_parallel_workers=2, data_dir=tmp_path, heartbeat_seconds=0.001)
    given = {"broker": Broker(), "tasks": None, "chunks": None, **resources}
    return SimpleNamespace(
        settings=settings,
        resources=SimpleNamespace(**given),
        credit=SimpleNamespace(herald=Away()),
        worker_id="w",
        clock=lambda: 0.0,
    )


@pytest.mark.parametrize(("sizes", "batch"), [(OPEN, 8), (SETTLED, 4)])
async def test_the_list_says_what_a_slot_may_take(tmp_path, sizes, batch):
    """Credits are counted by it. Also when the worker has to announce itself again."""
    workers = Workers()
    await announce(context(tmp_path, workers=workers), sizes)
    assert await workers.told.get() == (2, batch, 0)
    beating = asyncio.create_task(beat(context(tmp_path, workers=workers), sizes))
    assert await workers.told.get() == (2, batch, 1)
    beating.cancel()


async def test_a_heartbeat_goes_on_after_an_error_that_was_not_foreseen(tmp_path):
    """Who stopped would be called dead by all others, and go on working."""
    workers = Workers()
    workers.errors = [RuntimeError("unforeseen"), StoreUnavailableError("away")]
    beating = asyncio.create_task(beat(context(tmp_path, workers=workers), OPEN))
    async with asyncio.timeout(10):
        assert await workers.told.get() == (2, 8, 3)
    beating.cancel()


@pytest.mark.parametrize(("found", "chunks"), [(None, 2 * 10 + 8), (4, 2 * 5 + 4)])
async def test_the_broker_hands_over_what_fills_the_largest_batches(tmp_path, found, chunks):
    """In each slot one that is as large as at a file's end, and one that waits: until it is known which size stays."""
    here = context(tmp_path)
    if found:
        remember(here.settings, Finding(size=found, seconds={}))
    await Worker(here)._consume()
    assert here.resources.broker.prefetch[Queue.CHUNKS] == chunks


@pytest.mark.parametrize(("sizes", "taken"), [(OPEN, 2 * 2 * 8), (SETTLED, 2 * 2 * 4)])
async def test_without_a_broker_as_much_is_taken(tmp_path, sizes, taken):
    """Two of the largest batches for each slot, less what is here already."""
    arrived, intake = [], Waiting(["one"])
    intake.sizes = sizes

    async def arrive(delivery):
        arrived.append(delivery.message.chunk)

    lost = LostWork(context(tmp_path), SimpleNamespace(chunks=set(), tasks=set(), intake=intake, arrive=arrive))
    lost.begin(["w"])
    lost.chunks(SimpleNamespace(id="t"), range(100))
    await lost.end()
    assert arrived == list(range(taken - 1))
