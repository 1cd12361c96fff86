"""Blobs are away or have no room, for longer than any number of attempts: the task waits, and completes."""

import asyncio
import dataclasses

import pytest

from core.errors import StorageFullError, TransientError
from core.states import TASK_ENDED, ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.lasting import LastingBroker
from tests.support.tasks import blob_keys, chunks_of, ended, put_task, until, working

AWAY = TransientError("away", code="storage_unavailable")
TIMES = 5  # more often than a task may be tried


class Away:
    """Blobs of which some operations fail until a test says otherwise."""

    def __init__(self, blobs, operations, error):
        self._blobs, self._operations, self._error = blobs, operations, error
        self.refused = 0
        self.there = False

    def __getattr__(self, name):
        if name in self._operations and not self.there:
            self.refused += 1
            raise self._error
        return getattr(self._blobs, name)


class SlowToConfirm(LastingBroker):
    """Whoever publishes hears of it when the message is in somebody's hands."""

    async def publish(self, queue, message):
        """Some turns of the loop later."""
        await super().publish(queue, message)
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.mark.parametrize("operation", ["local_file", "put"])
@pytest.mark.parametrize("error", [AWAY, StorageFullError("full")], ids=["away", "full"])
async def test_a_file_is_cut_once_its_blobs_are_there_again(resources, settings, operation, error):
    """Whether it cannot be read or its chunks cannot be written; nothing has to be retried by hand."""
    settings = settings.model_copy(update={"retry_delay_seconds": 0.01})
    task_id = await put_task(resources, settings, wav(speech(20)))
    blobs = Away(resources.blobs, {operation}, error)
    async with working(settings, dataclasses.replace(resources, blobs=blobs)):
        await until(lambda: asyncio.sleep(0, blobs.refused), lambda refused: refused >= TIMES)
        assert (await resources.tasks.get(task_id)).status not in TASK_ENDED
        blobs.there = True
        task = await ended(resources, task_id)
        await until(lambda: blob_keys(resources), lambda keys: keys == [])
    assert (task.status, task.attempts) == (TaskStatus.COMPLETED, 1)


@pytest.mark.parametrize("error", [AWAY, RuntimeError("unforeseen")], ids=["away", "failed"])
async def test_a_wake_up_that_comes_before_the_last_attempt_has_ended_is_no_second_one(resources, settings, error):
    """The next attempt is made by it: there is no sweeper here that would find the task."""
    settings = settings.model_copy(update={"retry_delay_seconds": 0.01, "test_without": ("sweeper",)})
    blobs, broker = Away(resources.blobs, {"local_file"}, error), SlowToConfirm()
    away = dataclasses.replace(resources, blobs=blobs, broker=broker)
    async with working(settings, away):
        task_id = await put_task(dataclasses.replace(resources, broker=broker), settings, wav(speech(20)))
        await until(lambda: asyncio.sleep(0, blobs.refused), lambda refused: refused >= 1)
        blobs.there = True
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED
    await broker.close()


async def test_a_chunk_whose_audio_cannot_be_had_is_no_failed_chunk(resources, settings):
    """It waits, and its first attempt is the one that succeeds."""
    task_id = await put_task(resources, settings, wav(speech(20)))
    blobs = Away(resources.blobs, {"get"}, AWAY)
    async with working(settings, dataclasses.replace(resources, blobs=blobs)):
        await until(lambda: asyncio.sleep(0, blobs.refused), lambda refused: refused >= 1)
        blobs.there = True
        task = await ended(resources, task_id)
    assert task.status is TaskStatus.COMPLETED
    assert {(chunk.state, chunk.attempts) for chunk in await chunks_of(resources, task_id)} == {(ChunkState.DONE, 1)}
