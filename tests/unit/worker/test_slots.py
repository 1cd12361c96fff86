"""What a slot learns from a batch."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.config import Settings
from core.models import SAMPLE_RATE, Chunk, Cut, Options, Window
from core.states import ChunkState
from worker.batch import Batch
from worker.batch_memory import usual_batch
from worker.batching import TIMES, TRIED
from worker.intake import Intake, Rest
from worker.jobs import Jobs
from worker.pace import Pace
from worker.slots import Slots

ENGLISH = Options(model="base", language="en")
WINDOW = Window(pcm=np.zeros(20 * SAMPLE_RATE, np.int16))
ENGINE = SimpleNamespace(transcribe=lambda windows, options, cancelled: [None for _ in windows])


async def nothing_left(_: list[str]) -> Rest:
    return Rest(each=0.0)


@pytest.fixture
def settings(tmp_path):
    """Two slots, and a folder of one's own."""
    return Settings(_env_file=None, max_parallel_workers=2, data_dir=tmp_path)


@pytest.fixture
def jobs():
    """What is done in the background."""
    return Jobs()


@pytest.fixture
def slots(settings, jobs):
    """With an engine that takes no time, of which no slot has a batch yet."""
    intake = Intake(slots=2, sizes=usual_batch(settings), left=nothing_left)
    context = SimpleNamespace(settings=settings, engines=SimpleNamespace(get=lambda _: ENGINE), pace=Pace())
    return Slots(context, intake, None, jobs, None)


def batch_of(*indexes):
    """Chunks of one task, being transcribed."""
    cuts = [Cut(index=index, start=0, end=SAMPLE_RATE, core_start=0, core_end=SAMPLE_RATE) for index in indexes]
    chunks = [Chunk(task_id="t", cut=cut, state=ChunkState.RUNNING) for cut in cuts]
    return Batch([(None, chunk, WINDOW) for chunk in chunks], options=ENGLISH)


async def transcribed(slots, *, times=TIMES + 1):
    """One of each size, so many times."""
    for size in TRIED * times:
        batch = Batch([(None, None, WINDOW)] * size, options=ENGLISH)
        assert len(await slots._on_thread(batch)) == size


def busy(slots, *names):
    """These slots have batches."""
    for name in names:
        slots._intake.under_way.begin(name, 8)


async def test_what_batches_take_settles_their_size_for_the_next_worker_too(slots, settings, jobs):
    """Once enough of each size were transcribed with all slots at work."""
    busy(slots, "this", "the other")
    await transcribed(slots)
    size = slots._intake.sizes.next(ENGLISH)
    assert slots._intake.sizes.next(ENGLISH) == size
    await jobs.finish(10)
    assert usual_batch(settings).most == size == usual_batch(settings).next(ENGLISH)


async def test_a_batch_beside_a_slot_that_has_none_says_nothing(slots):
    """It has more of the machine than it will have."""
    busy(slots, "this")
    await transcribed(slots, times=3 * TIMES)
    assert len({slots._intake.sizes.next(ENGLISH) for _ in TRIED}) == len(TRIED)


async def test_of_a_batch_one_chunk_is_asked_about_while_that_is_wanted(slots, settings):
    """The rest only where the first one is lost; the batch goes on while one of its chunks is wanted."""
    asked, lost = [], set()

    async def answer(chunks):
        asked.append([chunk.cut.index for chunk in chunks])
        return {("t", chunk.cut.index) for chunk in chunks} & lost

    slots._context.resources = SimpleNamespace(chunks=SimpleNamespace(lost=answer))
    slots.running = [batch_of(0, 1), batch_of(2, 3)]
    found = []
    for gone in ({1}, {0, 2}, {0, 2, 3}):
        asked.clear()
        lost.clear()
        lost.update(("t", index) for index in gone)
        await slots._look()
        found.append(([*asked], [batch.unwanted for batch in slots.running]))
    assert found == [
        ([[0, 2], []], [False, False]),
        ([[0, 2], [1, 3]], [False, False]),
        ([[0, 2], [1, 3]], [False, True]),
    ]
