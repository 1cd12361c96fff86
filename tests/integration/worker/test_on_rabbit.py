"""Worker processes on a real RabbitMQ node: one file over several, an orderly end, a wiped broker, no broker at all."""

import json
import signal
import uuid
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from benchmarks.private.rabbit import PrivateRabbit
from core.flow.resources import open_resources
from core.ports import Queue
from core.states import ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.rabbit import rabbit
from tests.support.secantus import free_port
from tests.support.tasks import chunks_of, ended, put_task, until
from tests.support.worker_process import worker_process

__all__ = ["rabbit"]


@pytest.fixture
def distributed(settings, rabbit: PrivateRabbit):
    """The settings of a deployment, with queues of its own."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    return settings.model_copy(update={"rabbitmq_url": rabbit.url, "rabbitmq_prefix": prefix, "lost_seconds": 2.0})


def told(settings, **more):
    """A worker's environment."""
    names = ("rabbitmq_url", "rabbitmq_prefix", "lost_seconds")
    return {**{name: getattr(settings, name) for name in names}, "max_parallel_workers": 1, "batch_size": 2, **more}


async def test_three_processes_share_a_file_and_one_leaves(distributed, tmp_path):
    """Each does a part; what the leaving one had is done by the others, with every chunk attempted once."""
    journal = tmp_path / "journal"
    environment = told(distributed, fake_engine=json.dumps({"speed": 10, "journal": str(journal)}))
    async with open_resources(distributed) as resources, AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(worker_process(distributed, tmp_path, **environment)) for _ in range(3)
        ]
        for worker in workers:
            await worker.ready()
        task_id = await put_task(resources, distributed, wav(speech(400)))
        await until(lambda: _pids(journal), lambda pids: len(pids) == 3)
        code, seconds = await workers[0].end(signal.SIGTERM)
        assert (code, seconds < 6 + 5) == (0, True)
        task = await ended(resources, task_id, 120)
        for worker in workers[1:]:
            assert (await worker.end(signal.SIGTERM))[0] == 0
        assert await resources.broker.ready(Queue.CHUNKS) == 0
        chunks = await chunks_of(resources, task_id)
    assert task.status is TaskStatus.COMPLETED
    assert {(chunk.state, chunk.attempts) for chunk in chunks} == {(ChunkState.DONE, 1)}


async def _pids(journal):
    lines = journal.read_text().splitlines() if journal.exists() else []
    return Counter(line.split()[0] for line in lines)


async def test_a_worker_whose_broker_is_nowhere_works(settings, tmp_path):
    """RABBITMQ_URL points to nothing: not ready, and yet what is accepted is done."""
    nowhere = settings.model_copy(update={"rabbitmq_url": f"amqp://127.0.0.1:{free_port()}/"})
    async with open_resources(nowhere) as resources:
        task_id = await put_task(resources, nowhere, wav(speech(60)))
        async with worker_process(nowhere, tmp_path, rabbitmq_url=nowhere.rabbitmq_url) as worker:
            assert (await ended(resources, task_id, 60)).status is TaskStatus.COMPLETED
            assert (await worker.end(signal.SIGTERM))[0] == 0, worker.log.read_text()[-6000:]
        assert {chunk.attempts for chunk in await chunks_of(resources, task_id)} == {1}
