"""A broker that outlives its workers loses messages, goes away, hangs, or cannot be mended: work goes on."""

import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack

import pytest

from core.ports import Message, Queue
from core.process import EXIT_BROKER, EndError
from core.states import ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.tasks import chunks_of, ended, put_task, until, working
from worker.lost import OVERTAKEN
from worker.runtime import Worker, open_context


async def some_running(resources, task_id):
    """Wait until a chunk of the task is in a slot."""
    await until(lambda: chunks_of(resources, task_id), lambda all_: any(c.state is ChunkState.RUNNING for c in all_))


async def test_all_messages_lost_is_no_work_lost(lasting, fake):
    """The broker's data are wiped under way: tasks and chunks are announced again, by one worker each."""
    settings = fake(speed=20).model_copy(update={"lost_seconds": 0.6, "max_parallel_workers": 1, "batch_size": 1})
    async with working(settings, lasting), working(settings, lasting):
        ids = [await put_task(lasting, settings, wav(speech(60))) for _ in range(3)]
        await some_running(lasting, ids[0])
        lasting.broker.wipe()
        for task_id in ids:
            assert (await ended(lasting, task_id)).status is TaskStatus.COMPLETED
    assert max(lasting.broker.published.values()) <= 3


async def test_a_backlog_is_announced_at_once_and_by_one_worker_each(lasting, settings):
    """What could not be announced during an outage, by how many workers so ever: every message once, in one pass."""
    settings = settings.model_copy(update={"dead_after_seconds": 600})
    now = [0.0]
    lasting.broker.away = True
    ids = {await put_task(lasting, settings, b"x") for _ in range(60)}
    async with AsyncExitStack() as stack:
        contexts = [await stack.enter_async_context(open_context(settings, lasting)) for _ in range(3)]
        workers = [Worker(dataclasses.replace(context, clock=lambda: now[0])) for context in contexts]
        for context in contexts:
            await lasting.workers.register(context.worker_id, slots=1, batch=1)
        for worker in workers:
            worker._leaving = True  # a look, and nothing taken
            await worker._sweeper.sweep()
        lasting.broker.away = False
        now[0] += 1.5 * settings.lost_seconds
        for worker in workers:
            await worker._sweeper.sweep()
            lasting.broker.wipe()  # as if others had taken them
    assert {message.task_id for message in lasting.broker.published} == ids
    assert set(lasting.broker.published.values()) == {1}


async def test_a_message_that_waits_is_not_sent_again(lasting, settings):
    """As long as the queue is not empty nobody can say which of its messages were lost."""
    settings = settings.model_copy(update={"lost_seconds": 0.0001})
    await put_task(lasting, settings, b"x")
    async with open_context(settings, lasting) as context:
        for _ in range(3):
            await Worker(context)._sweeper.sweep()
    assert await lasting.broker.ready(Queue.TASKS) == 1
    assert set(lasting.broker.published.values()) == {1}


async def test_a_message_lost_among_others_is_sent_again_though_its_queue_is_never_empty(lasting, settings):
    """Once what came much later is taken. The others are sent once."""
    settings = settings.model_copy(update={"dead_after_seconds": 1e9})
    now = [0.0]
    lost = await put_task(lasting, settings, b"x")
    lasting.broker.wipe()
    async with open_context(settings, lasting) as context:
        sweeper = Worker(dataclasses.replace(context, clock=lambda: now[0]))._sweeper
        for _ in range(3):
            await sweeper.sweep()
            now[0] += OVERTAKEN * settings.lost_seconds
            later = await put_task(lasting, settings, b"x")
            await sweeper.sweep()
            await lasting.tasks.claim(later, context.worker_id)  # its message waits on, as if it were another's
        await sweeper.sweep()
    assert lasting.broker.published.pop(Message(task_id=lost)) > 1
    assert set(lasting.broker.published.values()) == {1}


async def test_work_is_done_without_any_broker(lasting, settings):
    """The worker takes what is announced straight from the database, tasks and chunks."""
    lasting.broker.away = True
    async with working(settings, lasting), working(settings, lasting):
        ids = [await put_task(lasting, settings, wav(speech(60))) for _ in range(3)]
        for task_id in ids:
            assert (await ended(lasting, task_id)).status is TaskStatus.COMPLETED
    for task_id in ids:
        assert {chunk.attempts for chunk in await chunks_of(lasting, task_id)} == {1}
    assert not lasting.broker.published


async def test_a_broker_that_hangs_costs_a_pass_one_deadline(lasting, settings):
    """Not one for each message; and what else a pass repairs is repaired before that."""
    settings = settings.model_copy(update={"lost_seconds": 0.0001})
    for _ in range(100):
        await put_task(lasting, settings, b"x")
    deleted = await put_task(lasting, settings, b"x")
    await lasting.tasks.mark_deleted(deleted)
    lasting.broker.wipe()
    lasting.broker.hangs_seconds = 1.0
    async with open_context(settings, lasting) as context:
        worker = Worker(context)
        worker._leaving = True
        await worker._sweeper.sweep()  # sees them for the first time
        began = time.monotonic()
        sweeping = asyncio.create_task(worker._sweeper.sweep())
        await until(lambda: lasting.tasks.get(deleted, deleted=True), lambda task: task is None)
        await sweeping
        assert time.monotonic() - began < 2.5
        began = time.monotonic()
        await worker._sweeper.sweep()  # it failed a moment ago, so it is not asked again at once
        assert time.monotonic() - began < 0.9
    assert 0 < lasting.broker.failures <= 50


async def test_a_broker_that_cannot_be_mended_ends_the_worker_in_order(lasting, fake):
    """With an exit code of its own, and nothing owned: another worker goes on with what it had."""
    settings = fake(speed=0.5).model_copy(update={"shutdown_grace_seconds": 0.1})
    async with open_context(settings, lasting) as context:
        running = asyncio.create_task(Worker(context).run())
        task_id = await put_task(lasting, settings, wav(speech(30)))
        await some_running(lasting, task_id)
        lasting.broker.cannot_be_mended.set()
        with pytest.raises(EndError) as ending:
            await running
    assert ending.value.exit_code == EXIT_BROKER
    assert await lasting.workers.all() == []
    assert all(chunk.owner is None and chunk.attempts == 0 for chunk in await chunks_of(lasting, task_id))


async def test_what_a_leaving_worker_gives_back_is_taken_at_once(lasting, fake):
    """By its messages alone: the other worker has no sweeper that would find it. No attempt is counted."""
    slow = fake(speed=0.2).model_copy(update={"shutdown_grace_seconds": 0.1})
    heir = fake().model_copy(update={"test_without": ("sweeper",)})
    async with working(slow, lasting) as leaving:
        running = await put_task(lasting, slow, wav(speech(5)))  # one chunk, in a slot
        await some_running(lasting, running)
        cut = await put_task(lasting, slow, wav(speech(1200)))  # being cut
        await until(lambda: lasting.tasks.get(cut), lambda task: task.status is TaskStatus.PROCESSING)
        leaving.stop()
    assert (await lasting.tasks.get(cut)).prepared is False
    async with working(heir, lasting):
        assert (await ended(lasting, running)).status is TaskStatus.COMPLETED
        await until(lambda: lasting.tasks.get(cut), lambda task: task.fence == 2)
    assert {chunk.attempts for chunk in await chunks_of(lasting, running)} == {1}
    assert {chunk.interruptions for chunk in await chunks_of(lasting, running)} == {0}


async def test_without_its_sweeper_lost_work_stays_lost(lasting, fake):
    """The guard that the others rest on, taken away: what nobody announces nobody does."""
    settings = fake().model_copy(update={"test_without": ("sweeper",), "lost_seconds": 0.1})
    task_id = await put_task(lasting, settings, wav(speech(5)))
    lasting.broker.wipe()
    async with working(settings, lasting):
        later = await put_task(lasting, settings, wav(speech(30)))
        await ended(lasting, later)
        assert (await lasting.tasks.get(task_id)).status is TaskStatus.QUEUED
