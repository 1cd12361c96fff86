"""What is removed in time."""

from datetime import UTC, datetime, timedelta

import pytest

from core.models import Failure
from core.states import TaskStatus
from tests.support.tasks import blob_keys, put_task, until, working
from worker.housekeeping import Housekeeper
from worker.runtime import open_context

OOPS = Failure(code="preparation_failed", message="")


@pytest.fixture
def settings(settings):
    """Transcripts are kept for an hour; uploads for as long."""
    return settings.model_copy(update={"task_ttl_seconds": 3600, "keep_uploads": True})


async def finished(resources, settings, *, hours_ago: float) -> str:
    """A task that ended then, its upload still there."""
    task_id = await put_task(resources, settings, b"x")
    await resources.tasks.end(await resources.tasks.get(task_id), TaskStatus.FAILED, error=OOPS)
    moment = datetime.now(UTC) - timedelta(hours=hours_ago)
    await resources.tasks._tasks.update_one({"_id": task_id}, {"$set": {"finished_at": moment}})
    return task_id


async def test_what_ended_long_ago_is_removed_with_all_of_it(resources, settings):
    """Also more of it than one query tells of; what ended lately or has not ended stays."""
    old = [await finished(resources, settings, hours_ago=1.1) for _ in range(3)]
    young, unended = await finished(resources, settings, hours_ago=0.9), await put_task(resources, settings, b"x")
    async with open_context(settings, resources) as context:
        await Housekeeper(context).remove_expired()
    for task_id in old:
        assert await resources.tasks.get(task_id, deleted=True) is None
    assert set(await blob_keys(resources)) == {f"uploads/{young}", f"uploads/{unended}"}


async def test_a_removal_that_a_crash_cut_short_is_completed(resources, settings):
    """Marked and no more: the next pass of any worker does the rest."""
    task_id = await finished(resources, settings, hours_ago=2)
    await resources.tasks.mark_deleted(task_id)
    async with working(settings, resources):
        await until(lambda: resources.tasks.get(task_id, deleted=True), lambda task: task is None)
    assert await blob_keys(resources) == []


async def test_a_worker_removes_them_by_itself(resources, settings):
    """Without being asked; and with no limit set it removes nothing."""
    task_id = await finished(resources, settings, hours_ago=2)
    async with open_context(settings.model_copy(update={"task_ttl_seconds": 0}), resources) as context:
        await Housekeeper(context).tidy()
    assert await resources.tasks.get(task_id) is not None
    async with working(settings.model_copy(update={"orphan_seconds": 1.0}), resources):
        await until(lambda: resources.tasks.get(task_id, deleted=True), lambda task: task is None)
