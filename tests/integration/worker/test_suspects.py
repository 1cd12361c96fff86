"""Chunks that may have taken their process down: run alone, and in the end with nothing beside them."""

import asyncio
import json

from core.models import Failure
from core.states import TASK_ENDED, ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.tasks import SECOND, chunks_of, claim_one, ended, half_cut, put_task, working
from worker.runtime import Worker, open_context

OOPS = Failure(code="worker_crashed", message="It crashed.")


async def test_suspects_keep_no_slot_waiting(resources, settings):
    """While one suspect is at work, perhaps for long, what is healthy is transcribed."""
    task = await half_cut(resources, settings)
    await resources.tasks.finish_cutting(task, chunks_total=2, duration_samples=2 * SECOND, silent_samples=0)
    for index in range(2):
        for _ in range(3):
            await resources.chunks.queue(task.id, index)
            claim = await claim_one(resources.chunks, task.id, index, "gone")
            await resources.chunks.give_back(claim, interrupted=True)
    async with open_context(settings, resources) as context:
        worker = Worker(context)
        async with context.suspects:
            running = asyncio.create_task(worker.run())
            healthy = await put_task(resources, settings, wav(speech(30)))
            assert (await ended(resources, healthy)).status is TaskStatus.COMPLETED
            assert {chunk.state for chunk in await chunks_of(resources, task.id)} == {ChunkState.QUEUED}
        assert (await ended(resources, task.id)).status is TaskStatus.COMPLETED
        worker.stop()
        await running


async def test_a_last_attempt_has_the_process_to_itself(resources, settings):
    """Or a crash of what runs beside it would fail it for good."""
    task = await half_cut(resources, settings)
    await resources.tasks.finish_cutting(task, chunks_total=2, duration_samples=2 * SECOND, silent_samples=0)
    for _ in range(settings.max_chunk_attempts - 1):
        await resources.chunks.queue(task.id, 0)
        await resources.chunks.fail(await claim_one(resources.chunks, task.id, 0, "gone"), OOPS, attempts_left=True)
    settings = settings.model_copy(update={"fake_engine": json.dumps({"speed": 4}), "batch_size": 1})
    last, beside = (task.id, 0), set()
    async with working(settings, resources) as worker:
        healthy = await put_task(resources, settings, wav(speech(40)))
        while (await resources.tasks.get(healthy)).status not in TASK_ENDED:
            # Not by their states: what has just left its slot is stored while the next is claimed.
            found = frozenset((one.task_id, one.cut.index) for batch in worker._slots.running for one in batch.chunks)
            if last in found:
                beside.add(found)
            await asyncio.sleep(0.002)
        assert (await ended(resources, task.id)).status is TaskStatus.COMPLETED
    assert beside == {frozenset({last})}
