"""The database goes away for a moment, at the worst ones: no work stands still, and no worker ends over it."""

import asyncio
import json

import pytest

from core.errors import StoreUnavailableError
from core.ports import Queue
from core.states import TASK_ENDED, ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.outages import Cable
from tests.support.tasks import SECOND, chunks_of, claim_one, ended, half_cut, put_task, until, working
from worker.runtime import Worker, open_context


@pytest.fixture
def slow(settings):
    """A fake engine that takes its time."""
    return settings.model_copy(update={"fake_engine": json.dumps({"speed": 0.5})})


async def some_running(resources, task_id):
    """Wait until a chunk of the task is in a slot."""
    await until(lambda: chunks_of(resources, task_id), lambda all_: any(c.state is ChunkState.RUNNING for c in all_))


async def test_a_claim_whose_answer_was_lost_is_no_lost_chunk(resources, settings):
    """The write arrived and its answer did not: the chunk is ours and we do not know."""
    Cable(resources.chunks).once_done("bulk_write")
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(speech(20)))
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED


async def test_an_outage_while_cutting_only_delays(resources, settings):
    """The task is given back when the database answers again, no attempt is counted, and it is cut to its end."""
    cable = Cable(resources.tasks)
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(speech(600)))
        await until(lambda: resources.tasks.get(task_id), lambda task: task.status is TaskStatus.PROCESSING)
        refused = []
        cable.cut = lambda operation: len(refused) < 20 and not refused.append(operation)
        await until(lambda: asyncio.sleep(0, len(refused)), lambda count: count == 20)
        task = await ended(resources, task_id, 60)
    assert (task.status, task.attempts) == (TaskStatus.COMPLETED, 1)


async def test_an_unwanted_batch_during_an_outage_does_not_end_the_worker(resources, slow):
    """Giving back fails: that is the sweeper's work then, and the slots go on."""
    async with open_context(slow, resources) as context:
        worker = Worker(context)
        running = asyncio.create_task(worker.run())
        task_id = await put_task(resources, slow, wav(speech(30)))
        await some_running(resources, task_id)
        cable = Cable(resources.chunks)
        cable.cut = lambda operation: operation == "update_one"
        worker._slots.abandon()
        await until(lambda: asyncio.sleep(0, worker._slots.running), lambda batches: not batches)
        assert not running.done()
        cable.cut = lambda operation: False
        await some_running(resources, task_id)
        worker.stop()
        await running


async def test_who_could_not_look_calls_nobody_dead(resources, settings):
    """During an outage nobody can beat: the first pass after it must not take everybody's work."""
    settings = settings.model_copy(update={"dead_after_seconds": 0.05})
    task = await half_cut(resources, settings)
    await resources.workers.register("other", slots=1, batch=1)
    await resources.chunks.queue(task.id, 0)
    await claim_one(resources.chunks, task.id, 0, "other")
    async with open_context(settings, resources) as context:
        sweeper = Worker(context)._sweeper
        await sweeper.sweep()
        cable = Cable(resources.workers)
        cable.cut = lambda operation: True
        with pytest.raises(StoreUnavailableError):
            await sweeper.sweep()
        await asyncio.sleep(0.1)  # longer than the patience: what passes on the observer's clock is what is tested
        cable.cut = lambda operation: False
        await sweeper.sweep()
    first = (await chunks_of(resources, task.id))[0]
    assert (first.state, first.owner) == (ChunkState.RUNNING, "other")


async def test_a_backlog_of_lost_messages_is_announced_in_one_pass(resources, settings):
    """As many as a worker takes at once, oldest first; not one per pass."""
    ids = [await put_task(resources, settings, b"x") for _ in range(12)]
    waiting = resources.broker._lines[Queue.TASKS].waiting
    waiting.clear()
    async with open_context(settings, resources) as context:
        await Worker(context)._sweeper.sweep()
    assert [message.task_id for message in waiting] == ids[:5]


@pytest.mark.parametrize("trouble", [None, {"match": ["0", "1", "2", "3"], "times": 1}])
async def test_no_more_than_max_parallel_workers_are_out(resources, settings, tmp_path, trouble):
    """Also while the file is being cut and while attempts fail."""
    spec = {"speed": 200, "journal": str(tmp_path / "journal"), "fail": trouble}
    settings = settings.model_copy(update={"fake_engine": json.dumps(spec), "max_parallel_workers": 4, "batch_size": 1})
    most = 0
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(speech(200)), max_parallel_workers=1)
        while (await resources.tasks.get(task_id)).status not in TASK_ENDED:
            most = max(most, await resources.chunks.out(task_id))
    assert most == 1


async def test_a_count_that_misses_a_chunk_ends_nothing(resources, settings):
    """A count over an index is no snapshot: here a chunk is in none of its groups, as if it moved meanwhile."""
    task = await half_cut(resources, settings)
    await resources.tasks.finish_cutting(task, chunks_total=2, duration_samples=2 * SECOND, silent_samples=0)
    await resources.chunks._chunks.delete_one({"_id": f"{task.id}:000001"})
    async with working(settings, resources) as worker:
        await until(lambda: chunks_of(resources, task.id), lambda all_: all_[0].state is ChunkState.DONE)
        await worker._progress.count(task.id)
    assert (await resources.tasks.get(task.id)).status is TaskStatus.PROCESSING
