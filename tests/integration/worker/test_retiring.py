"""Workers that end by themselves: retired, or with an engine that hangs."""

import contextlib
import json
import sys

import psutil
import pytest

from core.process import EXIT_HUNG
from core.states import ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.tasks import chunks_of, ended, put_task, until
from tests.support.worker_process import worker_process

MIB = 1024 * 1024
QUICK_JUDGE = """
import dataclasses
from core import process
from worker.pace import Pace, Patience
from worker.runtime import Worker, open_context

async def work(settings, resources, stop):
    async with open_context(settings, resources) as context:
        pace = Pace(patience=Patience(least=1.0, measured_after=1))
        await Worker(dataclasses.replace(context, pace=pace)).run()

process.run(work)
"""


async def test_a_worker_retires_after_so_many_chunks(resources, settings, tmp_path):
    """With 0, leaving nothing owned; the next ones do the rest and no chunk fails or is done twice."""
    journal = tmp_path / "journal"
    told = {"worker_max_chunks": 4, "batch_size": 2, "fake_engine": json.dumps({"journal": str(journal)})}
    task_id = await put_task(resources, settings, wav(speech(60)))
    codes = []
    while (await resources.tasks.get(task_id)).status is not TaskStatus.COMPLETED:
        async with worker_process(settings, tmp_path, **told) as worker:
            await until(
                lambda worker=worker: _state(resources, task_id, worker),
                lambda state: state[1] is not None or state[0] is TaskStatus.COMPLETED,
            )
            codes.append(worker.process.returncode)
    assert codes[0] == 0
    assert len(codes) > 1
    assert {chunk.attempts for chunk in await chunks_of(resources, task_id)} == {1}
    assert len(journal.read_text().splitlines()) == len(await chunks_of(resources, task_id))


async def test_a_worker_without_memory_for_a_window_ends_in_order(resources, settings, tmp_path):
    """With 0: memory that something holds on to is free in the next process, which does what this one could not."""
    told = {"fake_engine": json.dumps({"exhaust": {"times": 1}, "journal": str(tmp_path / "journal")})}
    task_id = await put_task(resources, settings, wav(speech(8)))
    async with worker_process(settings, tmp_path, **told) as worker:
        assert await until(lambda: _state(resources, task_id, worker), lambda state: state[1] is not None) == (
            TaskStatus.PROCESSING,
            0,
        )
        assert worker.said("worker retires")
    async with worker_process(settings, tmp_path, **told):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED
    assert max(chunk.attempts for chunk in await chunks_of(resources, task_id)) == 2


async def _state(resources, task_id, worker):
    return (await resources.tasks.get(task_id)).status, worker.process.returncode


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
async def test_a_leaking_engine_retires_below_the_limit(resources, settings, tmp_path):
    """20 MB more with every chunk: it ends in order before the limit is reached, and no chunk fails.

    A tenth of the limit is kept for what is under way when the rest is used up: here that is four chunks.
    """
    async with worker_process(settings, tmp_path) as worker:
        await worker.ready()
        limit = psutil.Process(worker.process.pid).memory_info().rss + 700 * MIB
    told = {"worker_max_memory_bytes": limit, "max_parallel_workers": 2, "batch_size": 1}
    leaking = json.dumps({"leak_mb": 20, "speed": 200})
    task_id = await put_task(resources, settings, wav(speech(1200)))
    most = 0
    async with worker_process(settings, tmp_path, **told, fake_engine=leaking) as worker:
        watched = psutil.Process(worker.process.pid)

        async def memory():
            nonlocal most
            if worker.process.returncode is None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    most = max(most, watched.memory_info().rss)
            return worker.process.returncode

        assert await until(memory, lambda code: code is not None, 90) == 0, worker.log.read_text()[-3000:]
    assert worker.said("worker retires")
    assert most < limit
    chunks = await chunks_of(resources, task_id)
    assert len([chunk for chunk in chunks if chunk.state is ChunkState.DONE]) >= 10
    assert {chunk.state for chunk in chunks} <= {ChunkState.DONE, ChunkState.PENDING, ChunkState.QUEUED}
    assert max(chunk.attempts for chunk in chunks) == 1


async def test_a_hang_is_judged_by_the_measured_speed(resources, settings, tmp_path):
    """Once the process knows how fast it is it does not wait five minutes for a batch of some seconds."""
    journal, bad = tmp_path / "journal", wav(speech(20))
    async with worker_process(settings, tmp_path, fake_engine=json.dumps({"journal": str(journal)})):
        await ended(resources, await put_task(resources, settings, bad))
    hang = json.dumps({"hang": {"match": [line.split()[1] for line in journal.read_text().splitlines()]}})
    async with worker_process(settings, tmp_path, "-c", QUICK_JUDGE, fake_engine=hang) as worker:
        good = await put_task(resources, settings, wav(speech(20)[::-1]))
        assert (await ended(resources, good)).status is TaskStatus.COMPLETED
        await put_task(resources, settings, bad)
        assert (await worker.end(seconds=60))[0] == EXIT_HUNG
    assert worker.said("engine hung, ending the process")[0]["after_seconds"] < 60


async def test_finding_the_language_has_a_deadline(resources, settings, tmp_path):
    """An engine that hangs in it costs the process and one attempt, and the task is prepared by the next worker."""
    hang = json.dumps({"detect_hang_seconds": 3600})
    task_id = await put_task(resources, settings, wav(speech(8)))
    async with worker_process(settings, tmp_path, fake_engine=hang, batch_deadline_seconds=1) as worker:
        assert (await worker.end(seconds=60))[0] == EXIT_HUNG
    async with worker_process(settings, tmp_path):
        task = await ended(resources, task_id)
    assert (task.status, task.attempts) == (TaskStatus.COMPLETED, 2)
