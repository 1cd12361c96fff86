"""Workers as processes of their own, that are told to end: in order, in time, and with nothing lost or counted."""

import asyncio
import json
import random
import signal
import sys

import httpx
import pytest

from core.states import ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.secantus import free_port
from tests.support.tasks import chunks_of, ended, put_task, until
from tests.support.worker_process import worker_process

STUCK = json.dumps({"hang": {"deaf": True}})


async def running(resources, task_id):
    """Wait until a chunk of the task is in a slot."""
    await until(lambda: chunks_of(resources, task_id), lambda all_: any(c.state is ChunkState.RUNNING for c in all_))


@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
async def test_terms_at_random_moments_lose_and_count_nothing(resources, settings, tmp_path, times):
    """Each ends with 0 and in time; when a worker is left alone at last every chunk was attempted once."""
    chance = random.Random(20_260_105)
    fake = json.dumps({"speed": 30, "journal": str(tmp_path / "journal")})
    told = {"shutdown_grace_seconds": 0.5, "fake_engine": fake, "max_parallel_workers": 2, "batch_size": 2}
    ids = [await put_task(resources, settings, wav(speech(60 * times))), await put_task(resources, settings, b"RIFF")]
    for _ in range(times):
        async with worker_process(settings, tmp_path, **told) as worker:
            await worker.ready()
            await asyncio.sleep(chance.uniform(0, 1.2))  # the random moment itself
            code, seconds = await worker.end(signal.SIGTERM)
        assert code == 0, worker.log.read_text()[-3000:]
        assert seconds < 5
        assert {chunk.owner for chunk in await chunks_of(resources, ids[0])} <= {None}
        assert await resources.workers.all() == [], worker.log.read_text()[-3000:]
    async with worker_process(settings, tmp_path, **{**told, "fake_engine": "{}"}) as worker:
        await worker.ready()  # the others may have left it nothing to do
        tasks = [await ended(resources, task_id, 60 + 10 * times) for task_id in ids]
        assert (await worker.end(signal.SIGTERM))[0] == 0
    assert [task.status for task in tasks] == [TaskStatus.COMPLETED, TaskStatus.FAILED]
    assert {(chunk.attempts, chunk.interruptions) for chunk in await chunks_of(resources, ids[0])} == {(1, 0)}


async def test_a_thread_that_is_stuck_does_not_hold_the_process(resources, settings, tmp_path):
    """The engine heeds nothing: gone with 0 soon after the grace, its chunk given back and not counted."""
    async with worker_process(settings, tmp_path, fake_engine=STUCK, shutdown_grace_seconds=1) as worker:
        task_id = await put_task(resources, settings, wav(speech(20)))
        await running(resources, task_id)
        code, seconds = await worker.end(signal.SIGTERM)
    assert code == 0, worker.log.read_text()[-3000:]
    assert 1 <= seconds < 1 + 5
    assert {(chunk.owner, chunk.attempts) for chunk in await chunks_of(resources, task_id)} == {(None, 0)}


HOLDING = """
import asyncio
from core import process

async def hold(settings, resources, stop):
    print('{"event": "worker ready"}', flush=True)
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass

process.run(hold)
"""


async def test_what_ignores_its_end_is_ended_all_the_same(resources, settings, tmp_path):
    """Whatever hangs at the end: after the grace and a moment for leaving the process says where it is, and ends."""
    async with worker_process(settings, tmp_path, "-c", HOLDING, shutdown_grace_seconds=0.5) as worker:
        await worker.ready()
        code, seconds = await worker.end(signal.SIGTERM)
    assert code == 1
    assert 4 < seconds < 0.5 + 5.5
    assert "Timeout" in worker.log.read_text()


async def test_a_second_signal_ends_it_now(resources, settings, tmp_path):
    """With 128 and the signal's number."""
    async with worker_process(settings, tmp_path, fake_engine='{"speed": 0.1}', shutdown_grace_seconds=60) as worker:
        task_id = await put_task(resources, settings, wav(speech(20)))
        await running(resources, task_id)
        worker.process.send_signal(signal.SIGTERM)
        await until(lambda: asyncio.sleep(0, worker.said("worker leaving")), bool)
        code, seconds = await worker.end(signal.SIGINT)
    assert code == 128 + signal.SIGINT
    assert seconds < 2


async def test_readiness_ends_first(resources, settings, tmp_path):
    """Ready once it consumes; not ready from the signal on, while the chunks under way may still finish."""
    port = free_port()
    told = {"worker_health_port": port, "fake_engine": '{"speed": 2}', "shutdown_grace_seconds": 30}
    async with worker_process(settings, tmp_path, **told) as worker, httpx.AsyncClient(trust_env=False) as http:
        await worker.ready()
        assert (await http.get(f"http://127.0.0.1:{port}/readyz")).json()["checks"] == dict.fromkeys(
            ("worker", "database", "broker"), "ok"
        )
        task_id = await put_task(resources, settings, wav(speech(8)))
        await running(resources, task_id)
        worker.process.send_signal(signal.SIGTERM)
        answer = await until(lambda: http.get(f"http://127.0.0.1:{port}/readyz"), lambda a: a.status_code == 503)
        assert answer.json()["checks"]["worker"] != "ok"
        assert (await http.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
        assert (await worker.end())[0] == 0
    states = {chunk.state for chunk in await chunks_of(resources, task_id)}
    assert ChunkState.DONE in states, worker.log.read_text()
    assert states <= {ChunkState.DONE, ChunkState.QUEUED}, worker.log.read_text()  # what ran, and what waited


if sys.platform != "linux":
    pytestmark = pytest.mark.skip(reason="signals and processes are looked at as Linux shows them")


NEVER_CLOSING = """
import asyncio, contextlib
from core import process
from core.flow.resources import open_resources

async def done(settings, resources, stop):
    async def stay():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(600)
    resources.broker._consumers.add(asyncio.create_task(stay()))
    await asyncio.sleep(0)

process.run(done)
"""


async def test_a_connection_that_does_not_close_holds_nothing_up(settings, tmp_path):
    """All that matters is done: the process ends with 0."""
    async with worker_process(settings, tmp_path, "-c", NEVER_CLOSING) as worker:
        code, seconds = await worker.end()
    assert (code, seconds < 10) == (0, True), worker.log.read_text()[-3000:]
