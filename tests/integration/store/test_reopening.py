"""A task that runs again: its figures go on from where they stood."""

import asyncio
from datetime import timedelta

from core.flow.finish import tidy
from core.models import Coverage, Failure
from core.states import TaskStatus
from tests.support.tasks import put_task


async def test_the_time_between_an_end_and_a_retry_does_not_count(resources, settings):
    """Speed and time to go are computed from the start: it moves on by as long as nobody worked on the task."""
    task_id = await put_task(resources, settings, b"")
    task = await resources.tasks.claim(task_id, "worker")
    await resources.tasks.start_processing(task, "en", 0.9)
    await asyncio.sleep(0.05)  # worked for so long
    await resources.tasks.end(await resources.tasks.get(task_id), TaskStatus.PARTIAL)
    before = await resources.tasks.get(task_id)
    await asyncio.sleep(0.2)  # and lay for so long
    assert await resources.tasks.reopen(task_id, TaskStatus.PROCESSING)
    after = await resources.tasks.get(task_id)
    assert (after.started_at - before.started_at).total_seconds() >= 0.2
    assert after.started_at < before.finished_at + (after.started_at - before.started_at)
    assert await resources.tasks.reopen("nobody's", TaskStatus.PROCESSING) is False


async def partial(resources, settings):
    """A task that has ended with failed chunks; as it was before that, and after."""
    task_id = await put_task(resources, settings, b"")
    await resources.tasks.start_processing(await resources.tasks.claim(task_id, "worker"), "en", 0.9)
    before = await resources.tasks.get(task_id)
    assert await resources.tasks.end(before, TaskStatus.PARTIAL, completed=1, failed=2)
    return before, await resources.tasks.get(task_id)


async def test_figures_from_before_a_retry_are_not_those_after_it(resources, settings):
    """A worker that has counted and stood still meanwhile neither ends the task again nor raises its figures."""
    before, _ = await partial(resources, settings)
    assert await resources.tasks.reopen(before.id, TaskStatus.PROCESSING)
    assert await resources.tasks.end(before, TaskStatus.PARTIAL, completed=1, failed=2) is False
    await resources.tasks.note_progress(before, completed=1, failed=2, coverage=Coverage(), progress=0.9)
    again = await resources.tasks.get(before.id)
    assert (again.status, again.chunks_failed, again.progress) == (TaskStatus.PROCESSING, 0, before.progress)
    assert await resources.tasks.end(again, TaskStatus.COMPLETED, completed=3)


async def test_what_was_retried_after_it_was_listed_as_expired_stays(resources, settings):
    """Its time begins anew."""
    _, ended = await partial(resources, settings)
    moment = ended.finished_at + timedelta(seconds=1)
    assert [task.id for task in await resources.tasks.expired(moment)] == [ended.id]
    assert await resources.tasks.reopen(ended.id, TaskStatus.PROCESSING)
    assert not await resources.tasks.mark_deleted(ended.id, ended_before=moment)
    assert await resources.tasks.get(ended.id) is not None


async def test_the_upload_of_a_task_that_was_retried_stays(resources, settings, monkeypatch):
    """Whoever tidies up after its end may come when it is queued again; new audio of it is not unwanted either."""
    task_id = await put_task(resources, settings, b"audio")
    claimed = await resources.tasks.claim(task_id, "worker")
    failure = Failure(code="preparation_failed", message="POST retry tries again.")
    assert await resources.tasks.fail_preparing(claimed, failure)
    iterate = resources.blobs.iterate

    async def meanwhile(prefix):
        async for blob in iterate(prefix):
            yield blob
        await resources.tasks.reopen(task_id, TaskStatus.QUEUED)
        await resources.blobs.put(f"pcm/{task_id}/000000", b"new")

    monkeypatch.setattr(resources.blobs, "iterate", meanwhile)
    await tidy(resources, task_id)
    assert await resources.blobs.get(f"uploads/{task_id}") == b"audio"
    assert await resources.blobs.get(f"pcm/{task_id}/000000") == b"new"
