"""A task that runs again: its figures go on from where they stood."""

import asyncio

from core.states import TaskStatus
from tests.support.tasks import put_task


async def test_the_time_between_an_end_and_a_retry_does_not_count(resources, settings):
    """Speed and time to go are computed from the start: it moves on by as long as nobody worked on the task."""
    task_id = await put_task(resources, settings, b"")
    task = await resources.tasks.claim(task_id, "worker")
    await resources.tasks.start_processing(task, "en", 0.9)
    await asyncio.sleep(0.05)  # worked for so long
    await resources.tasks.end(task_id, TaskStatus.PARTIAL)
    before = await resources.tasks.get(task_id)
    await asyncio.sleep(0.2)  # and lay for so long
    assert await resources.tasks.reopen(task_id, TaskStatus.PROCESSING)
    after = await resources.tasks.get(task_id)
    assert (after.started_at - before.started_at).total_seconds() >= 0.2
    assert after.started_at < before.finished_at + (after.started_at - before.started_at)
    assert await resources.tasks.reopen("nobody's", TaskStatus.PROCESSING) is False
