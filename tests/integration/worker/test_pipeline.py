"""The whole pipeline in one process, with the fake engine: upload in, chunks done, task ended, nothing left behind."""

import asyncio
import dataclasses
import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from core.adapters.mongo import ChunkStore
from core.flow.credits import Credits
from core.flow.removal import cancel, delete, retry
from core.models import SAMPLE_RATE, Options
from core.states import ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.tasks import blob_keys, chunks_of, ended, put_task, until, working
from worker.runtime import Worker, open_context


@pytest.fixture
def journal(tmp_path):
    """Where the fake engine notes every window that it transcribes."""
    return tmp_path / "journal"


@pytest.fixture
def fake(settings, journal):
    """Settings with a fake engine of the given behaviour."""

    def build(**spec):
        values = {"journal": str(journal), **spec}
        return settings.model_copy(update={"fake_engine": json.dumps(values)})

    return build


async def test_a_task_completes_and_every_sample_is_accounted_for(resources, fake):
    """Completed, all chunks done once, coverage adds up to the duration, and no blob is left."""
    settings = fake()
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(speech(60)))
        task = await ended(resources, task_id)
        await until(lambda: blob_keys(resources), lambda keys: not keys)
    assert task.status is TaskStatus.COMPLETED
    assert task.chunks_total == task.chunks_completed > 4
    assert task.options.language == "en"
    assert task.progress == 1.0
    covered = task.coverage
    assert task.duration_samples == 60 * SAMPLE_RATE
    assert covered.transcribed_samples + covered.silent_samples + covered.failed_samples == task.duration_samples
    assert all(chunk.state is ChunkState.DONE and chunk.attempts == 1 for chunk in await chunks_of(resources, task_id))


async def test_the_first_window_of_each_slot_is_stored_at_once_and_later_ones_together(resources, fake, monkeypatch):
    """No slot waits for more than it needs, and the database is not asked for every window."""
    stored = []
    add = ChunkStore.add

    async def noted(self, task_id, cuts):
        stored.append(len(cuts))
        await add(self, task_id, cuts)

    monkeypatch.setattr(ChunkStore, "add", noted)
    settings = fake().model_copy(update={"max_parallel_workers": 3})
    async with working(settings, resources):
        options = Options(model="base", language="en")
        await ended(resources, await put_task(resources, settings, wav(speech(300)), options=options))
    assert stored[:3] == [1, 1, 1]
    assert len(stored) < sum(stored) / 2


async def test_silence_completes_with_no_chunk(resources, fake):
    """No text, no error, all of it silent."""
    settings = fake()
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(np.zeros(10 * SAMPLE_RATE, dtype=np.int16)))
        task = await ended(resources, task_id)
    assert (task.status, task.chunks_total) == (TaskStatus.COMPLETED, 0)
    assert task.coverage.silent_samples == 10 * SAMPLE_RATE


async def test_an_unreadable_upload_fails_with_a_reason_and_is_removed(resources, fake):
    """A clear code, and the bytes are gone."""
    settings = fake()
    async with working(settings, resources):
        task_id = await put_task(resources, settings, b"RIFF" + b"\x00" * 3000)
        task = await ended(resources, task_id)
        await until(lambda: blob_keys(resources), lambda keys: not keys)
    assert task.status is TaskStatus.FAILED
    assert task.error is not None
    assert task.error.message


async def test_sequential_and_parallel_give_the_same_text(resources, fake):
    """Only the speed differs."""
    texts = []
    for parallel in (True, False):
        settings = fake().model_copy(update={"use_parallel_transcription": parallel})
        async with working(settings, resources):
            task_id = await put_task(resources, settings, wav(speech(40)))
            await ended(resources, task_id)
        texts.append([chunk.result.text for chunk in await chunks_of(resources, task_id)])
    assert texts[0] == texts[1] != []


async def test_one_failing_chunk_leaves_the_others_alone_and_retry_mends_it(resources, fake, journal):
    """Three attempts, then partial with the right figures; retry runs the failed chunk alone."""
    plain = fake()
    audio = wav(speech(40))
    async with working(plain, resources):
        first = await put_task(resources, plain, audio)
        await ended(resources, first)
    sha = journal.read_text().splitlines()[2].split()[1]
    journal.unlink()
    failing = fake(fail={"match": [sha[:16]], "times": 100})
    async with working(failing, resources):
        task_id = await put_task(resources, failing, audio)
        task = await ended(resources, task_id)
        failed = [chunk for chunk in await chunks_of(resources, task_id) if chunk.state is ChunkState.FAILED]
        assert task.status is TaskStatus.PARTIAL
        assert [chunk.attempts for chunk in failed] == [3]
        assert task.chunks_failed == 1
        assert task.chunks_completed == task.chunks_total - 1
        assert task.coverage.failed_samples == failed[0].cut.core_end - failed[0].cut.core_start
    async with working(plain, resources):
        await retry(resources, Credits(resources), task_id)
        mended = await ended(resources, task_id)
    assert (mended.status, mended.chunks_failed) == (TaskStatus.COMPLETED, 0)
    others = [chunk for chunk in await chunks_of(resources, task_id) if chunk.cut.index != failed[0].cut.index]
    assert [chunk.attempts for chunk in others] == [1] * len(others)


async def test_cancel_frees_the_slot_and_leaves_no_blob(resources, fake):
    """With a slow engine under way: cancelled, no blob left, and the next task gets its slot soon."""
    settings = fake(speed=2).model_copy(update={"max_parallel_workers": 1, "batch_size": 1})
    async with working(settings, resources):
        long = await put_task(resources, settings, wav(speech(120)))
        await until(lambda: chunks_of(resources, long), lambda all_: any(c.state is ChunkState.RUNNING for c in all_))
        task = await cancel(resources, long)
        assert task.status is TaskStatus.CANCELLED
        await until(lambda: blob_keys(resources), lambda keys: not keys)
        short = await put_task(resources, settings, wav(speech(4)))
        assert (await ended(resources, short, seconds=15)).status is TaskStatus.COMPLETED
        assert not [c for c in await chunks_of(resources, long) if c.state is ChunkState.RUNNING]
        assert await blob_keys(resources, f"pcm/{long}") == []


async def test_delete_leaves_nothing(resources, fake):
    """No document and no blob, though chunks were running."""
    settings = fake(speed=2)
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(speech(60)))
        await until(
            lambda: chunks_of(resources, task_id), lambda all_: any(c.state is ChunkState.RUNNING for c in all_)
        )
        await delete(resources, task_id)
        assert await resources.tasks.get(task_id) is None
        await until(lambda: blob_keys(resources), lambda keys: not keys)
    assert await chunks_of(resources, task_id) == []


async def test_a_short_task_overtakes_a_long_one(resources, fake):
    """The short one is complete while the long one has most of its chunks before it."""
    settings = fake(speed=40)
    async with working(settings, resources):
        long = await put_task(resources, settings, wav(speech(600)))
        await until(lambda: chunks_of(resources, long), lambda all_: any(c.state is ChunkState.RUNNING for c in all_))
        short = await put_task(resources, settings, wav(speech(5)))
        await ended(resources, short)
        behind = await resources.tasks.get(long)
        assert behind.chunks_completed < 30
        await delete(resources, long)


async def test_work_given_back_at_shutdown_counts_no_attempt(resources, fake):
    """A worker stopped in mid-chunk leaves it pending with no attempt counted, and another one ends it."""
    settings = fake(speed=1).model_copy(update={"shutdown_grace_seconds": 0.1})
    async with working(settings, resources):
        task_id = await put_task(resources, settings, wav(speech(30)))
        await until(
            lambda: chunks_of(resources, task_id), lambda all_: any(c.state is ChunkState.RUNNING for c in all_)
        )
    assert all(chunk.attempts == 0 for chunk in await chunks_of(resources, task_id))
    assert await resources.workers.all() == []
    async with working(fake(), resources):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED
    assert all(chunk.attempts == 1 for chunk in await chunks_of(resources, task_id))


async def test_a_file_whose_model_is_fetched_keeps_no_other_from_being_cut(resources, fake):
    """Though it has the only place."""
    settings, fetched, at_it = fake(), threading.Event(), threading.Event()
    assert settings.max_concurrent_jobs == 1
    async with open_context(settings, resources) as context:
        engines = context.engines

        def get(model):
            if model == "tiny.en":
                at_it.set()
                fetched.wait()
            return engines.get(model)

        slow = SimpleNamespace(get=get, warm=engines.warm)
        worker = Worker(dataclasses.replace(context, engines=slow))
        running = asyncio.create_task(worker.run())
        try:
            waits = await put_task(
                resources, settings, wav(speech(20)), options=Options(model="tiny.en", language=None)
            )
            assert await asyncio.to_thread(at_it.wait, 10)
            other = await put_task(resources, settings, wav(speech(20)))
            assert (await ended(resources, other)).status is TaskStatus.COMPLETED
            fetched.set()
            assert (await ended(resources, waits)).status is TaskStatus.COMPLETED
        finally:
            fetched.set()
            worker.stop()
            await running
