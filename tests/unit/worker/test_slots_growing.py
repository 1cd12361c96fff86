"""A slot begins with what is there, and what comes meanwhile is of the same batch."""

import asyncio
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from core.config import Settings
from core.errors import EngineCancelledError
from core.models import SAMPLE_RATE, Chunk, Cut, Options
from core.states import ChunkState
from worker import growing
from worker.batch_memory import usual_batch
from worker.intake import Arrival, Intake
from worker.jobs import Jobs
from worker.pace import Pace
from worker.slots import Slots

ENGLISH = Options(model="base", language="en")
SECOND = np.zeros(SAMPLE_RATE, np.int16).tobytes()


class Chunks:
    """Whoever asks for chunks has them, once nobody is held up; ``suspects`` only alone."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.asked: list[int] = []
        self.suspects: set[int] = set()

    async def claim(self, names, owner, *, healthy=False):
        """Claims of them."""
        mine = [index for _, index in names if not (healthy and index in self.suspects)]
        self.asked += [index for _, index in names]
        await self.free.wait()
        cuts = [Cut(index=index, start=0, end=SAMPLE_RATE, core_start=0, core_end=SAMPLE_RATE) for index in mine]
        return [Chunk(task_id="t", cut=cut, state=ChunkState.RUNNING) for cut in cuts]

    async def suspect(self, names):
        """With no attempt so far."""
        return {name: 0 for name in names if name[1] in self.suspects}


class Settled:
    """What became of chunks, by their numbers."""

    def __init__(self) -> None:
        self.kept: list[list[int]] = []
        self.returned: list[int] = []
        self.over: list[int] = []

    def keep(self, arrivals, chunks, results):
        """Batches that were transcribed."""
        assert len(arrivals) == len(chunks) == len(results)
        self.kept.append([chunk.cut.index for chunk in chunks])

    async def dropped(self, arrivals):
        """Those whose messages are done with."""
        self.over += [arrival.index for arrival in arrivals]

    async def given_back(self, arrivals, chunks):
        """Those that were not."""
        assert len(arrivals) == len(chunks)
        self.returned += [chunk.cut.index for chunk in chunks]


class Engine:
    """Hears what comes, when it may; then does what it is told."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.calls: list[int] = []
        self.error: Exception | None = None

    def transcribe(self, windows, options, cancelled):
        """Nothing for each."""
        next(windows)
        assert self.may.wait(30)
        if self.error is not None and not self.calls:
            self.calls.append(1)
            raise self.error
        self.calls.append(1 + len(list(windows)))
        return [None] * self.calls[-1]


@pytest.fixture
def engine():
    """One for all slots."""
    return Engine()


@pytest.fixture
def slots(tmp_path, engine, monkeypatch):
    """One slot, that takes what is there at once."""
    for name in ("LOOK_SECONDS", "LINGER_SECONDS", "PATIENCE_SECONDS"):
        monkeypatch.setattr(growing, name, 0.0)
    settings = Settings(_env_file=None, max_parallel_workers=1, data_dir=tmp_path)

    async def read(_):
        return SECOND

    resources = SimpleNamespace(chunks=Chunks(), blobs=SimpleNamespace(get=read))
    context = SimpleNamespace(
        settings=settings,
        engines=SimpleNamespace(get=lambda _: engine),
        pace=Pace(),
        resources=resources,
        worker_id="w",
        suspects=asyncio.Lock(),
    )
    retirement = SimpleNamespace(done=lambda count: None, due=asyncio.Event(), now=lambda reason: None)
    intake = Intake(slots=1, sizes=usual_batch(settings), left=more_to_come)
    return Slots(context, intake, Settled(), Jobs(), retirement)


async def more_to_come(_):
    """The file is still being cut."""


async def arrive(slots, *indexes):
    """Chunks of one task."""
    for index in indexes:
        delivery = SimpleNamespace()
        await slots._intake.put(Arrival(task_id="t", index=index, options=ENGLISH, delivery=delivery))


async def until(condition):
    """What a slot does."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.001)


async def begun(slots, *indexes):
    """The slot's work with the first one, when the others have arrived as well."""
    await arrive(slots, indexes[0])
    hand = await slots._intake.take()
    working = asyncio.create_task(slots._work(hand))
    await until(lambda: slots.running and slots.running[0].hungry)
    await arrive(slots, *indexes[1:])
    return working


async def test_what_comes_while_the_first_is_heard_is_of_its_batch(slots, engine):
    """The engine is called once."""
    working = await begun(slots, 0, 1, 2)
    await until(lambda: len(slots.running[0].work) == 3)
    engine.may.set()
    await working
    assert (engine.calls, slots._settler.kept) == ([3], [[0, 1, 2]])


async def test_a_suspect_that_comes_meanwhile_is_done_alone_afterwards(slots, engine):
    """It may cost the process; the others are to be stored by then."""
    slots._context.resources.chunks.suspects.add(1)
    working = await begun(slots, 0, 1, 2)
    await until(lambda: len(slots.running[0].work) == 2)
    engine.may.set()
    await working
    assert slots._settler.kept == [[0, 2], [1]]


async def test_what_was_being_claimed_when_the_engine_failed_is_attempted_with_the_rest(slots, engine):
    """It is ours by then, and its message in nobody else's hand."""
    chunks = slots._context.resources.chunks
    working = await begun(slots, 0)
    chunks.free.clear()
    await arrive(slots, 1)
    await until(lambda: 1 in chunks.asked)
    engine.error = RuntimeError("not foreseen")
    engine.may.set()
    await until(lambda: engine.calls)
    await asyncio.sleep(0.01)
    assert not working.done()
    chunks.free.set()
    await asyncio.wait_for(working, 30)
    assert sorted(slots._settler.kept) == [[0], [1]]


async def test_a_batch_whose_engine_fails_takes_no_more(slots, engine):
    """Else the slot would wait for more of it for ever."""
    working = await begun(slots, 0)
    engine.error = RuntimeError("not foreseen")
    slots._settler.give_up = lambda arrival, chunk, error: slots._settler.returned.append(chunk.cut.index)
    engine.may.set()
    await asyncio.wait_for(working, 30)
    assert slots._settler.returned == [0]


@pytest.mark.parametrize("suspects", [set(), {1}])
@pytest.mark.parametrize("how", ["cancelled", "unwanted"])
async def test_what_was_being_claimed_for_a_batch_that_is_given_back_is_given_back_too(slots, engine, how, suspects):
    """Whether we leave or nobody wants it: the slot does not wait for the claim. What was not claimed waits again."""
    chunks = slots._context.resources.chunks
    chunks.suspects |= suspects
    working = await begun(slots, 0)
    chunks.free.clear()
    await arrive(slots, 1)
    await until(lambda: 1 in chunks.asked)
    if how == "cancelled":
        working.cancel()
    else:
        engine.error = EngineCancelledError("not wanted")
        slots.abandon()
    engine.may.set()
    await asyncio.wait({working}, timeout=30)
    assert (working.cancelled(), slots._settler.returned) == (how == "cancelled", [0])
    chunks.free.set()
    await slots._jobs.finish(30)
    assert (slots._settler.returned, slots._settler.kept) == ([0, *({1} - suspects)], [])
    assert len(slots._intake) == len(suspects)


async def test_waiting_is_no_work(slots, engine, monkeypatch):
    """It counts neither for the deadline, which is a tenth of a second here, nor for how long a window takes."""
    monkeypatch.setattr(growing, "PATIENCE_SECONDS", 0.5)
    slots._context.settings = Settings(_env_file=None, max_parallel_workers=1, batch_deadline_seconds=0.1)
    noted = []
    slots._context.pace = SimpleNamespace(note=lambda _, *, audio_seconds, work_seconds: noted.append(work_seconds))
    engine.may.set()
    await asyncio.wait_for(await begun(slots, 0), 30)
    assert slots._settler.kept == [[0]]
    assert noted[0] < 0.1


async def test_a_batch_that_cannot_grow_keeps_its_results(slots, engine):
    """They are no worse for it."""

    async def broken(_):
        raise RuntimeError("not foreseen")

    working = await begun(slots, 0)
    slots._intake._left = broken
    await arrive(slots, 1)
    await until(lambda: not slots.running[0].missing)
    engine.may.set()
    await working
    assert (engine.calls, slots._settler.kept) == ([1], [[0]])


async def test_what_was_claimed_for_a_batch_in_vain_is_done_with(slots, engine):
    """Its message, which nobody looks at any more, would hold a place at the broker; those of the batch stay."""

    async def broken(_):
        raise RuntimeError("not foreseen")

    working = await begun(slots, 0)
    slots._context.resources.blobs.get = broken
    await arrive(slots, 1)
    await until(lambda: slots._settler.over)
    engine.may.set()
    await working
    assert (slots._settler.over, slots._settler.kept) == ([1], [[0]])


async def test_what_a_slot_failed_on_is_done_with(slots):
    """It goes on with the next."""

    async def broken(_):
        raise RuntimeError("not foreseen")

    slots._context.resources.blobs.get = broken
    await arrive(slots, 0)
    slot = asyncio.create_task(slots._slot())
    await until(lambda: slots._settler.over)
    await slots._intake.close()
    await asyncio.wait_for(slot, 30)
    assert slots._settler.over == [0]
