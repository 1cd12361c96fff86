"""The task store on a real database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.models import Coverage, CutPlan, Failure, Idempotency, Options, Task, Upload
from core.states import TASK_ENDED, TaskStatus

MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
OOPS = Failure(code="oops", message="Something failed.")


def a_task(task_id: str = "t", age_minutes: float = 0) -> Task:
    """As accepted."""
    return Task(
        id=task_id,
        status=TaskStatus.QUEUED,
        filename="a.wav",
        options=Options(model="base", prompt="Names: Zoë", beam_size=3),
        word_timestamps=True,
        max_parallel_workers=2,
        plan=CutPlan(strategy="fixed", chunk_seconds=20.0),
        upload=Upload(key=f"uploads/{task_id}", size_bytes=5, sha256="00"),
        created_at=MONDAY - timedelta(minutes=age_minutes),
    )


@pytest.fixture
async def tasks(resources):
    """One queued task ``t``."""
    await resources.tasks.insert(a_task())
    return resources.tasks


async def test_a_task_comes_back_as_it_was(tasks):
    """Every field; inserting it again changes nothing."""
    assert await tasks.get("t") == a_task()
    assert await tasks.insert(replace(a_task(), filename="other")) is False
    assert await tasks.get("t") == a_task()


async def test_newest_first_page_by_page(resources):
    """Each task once, whatever the page size, and by status where asked."""
    for number in range(7):
        await resources.tasks.insert(a_task(f"t{number}", age_minutes=number // 2))
    seen, before = [], None
    while page := await resources.tasks.newest(before=before, limit=2):
        seen += [task.id for task in page]
        before = (page[-1].created_at, page[-1].id)
    assert seen == ["t1", "t0", "t3", "t2", "t5", "t4", "t6"]
    await resources.tasks.claim("t4", "me")
    assert [task.id for task in await resources.tasks.newest(status=TaskStatus.PREPARING)] == ["t4"]


async def test_one_claim_wins(tasks):
    """The second gets nothing until the first lets go."""
    first = await tasks.claim("t", "me")
    assert (first.status, first.fence, first.attempts) == (TaskStatus.PREPARING, 1, 1)
    assert await tasks.claim("t", "other") is None
    assert await tasks.let_go(first)
    second = await tasks.claim("t", "other")
    assert (second.fence, second.attempts) == (2, 2)


async def test_every_write_of_a_stale_preparer_is_refused(tasks):
    """Once somebody else prepares the task."""
    stale = await tasks.claim("t", "me")
    await tasks.give_back(stale, interrupted=True)
    fresh = await tasks.claim("t", "other")
    assert (fresh.attempts, fresh.interruptions) == (1, 1)
    assert await tasks.holds(stale) is False
    assert await tasks.declare(stale, 5) is False
    assert await tasks.start_processing(stale, "de", 0.5) is False
    assert await tasks.fail_preparing(stale, OOPS) is False
    assert await tasks.finish_cutting(stale, chunks_total=1, duration_samples=1, silent_samples=0) is False
    assert await tasks.let_go(stale) is False
    assert await tasks.holds(fresh)


async def test_the_way_of_a_good_task(tasks):
    """Prepared, processed, completed; its figures never fall on the way."""
    task = await tasks.claim("t", "me")
    await tasks.start_processing(task, "en", 0.9)
    await tasks.note_cut(task, 2)
    await tasks.finish_cutting(task, chunks_total=3, duration_samples=48_000, silent_samples=1_000)
    await tasks.note_progress(task, completed=2, failed=0, coverage=Coverage(transcribed_samples=20_000), progress=0.5)
    await tasks.note_progress(task, completed=1, failed=0, coverage=Coverage(transcribed_samples=10_000), progress=0.2)
    running = await tasks.get("t")
    assert (running.status, running.chunks_completed, running.progress) == (TaskStatus.PROCESSING, 2, 0.5)
    assert running.coverage == Coverage(transcribed_samples=20_000, silent_samples=1_000)
    assert running.owner is None
    assert await tasks.end(task, TaskStatus.COMPLETED, completed=3, coverage=Coverage(transcribed_samples=47_000))
    assert await tasks.end(task, TaskStatus.FAILED) is False
    assert (await tasks.get("t")).progress == 1.0


async def test_a_task_that_is_cut_is_not_prepared_again(tasks):
    """A doubled message finds nothing to claim."""
    task = await tasks.claim("t", "me")
    await tasks.start_processing(task, "en", None)
    await tasks.finish_cutting(task, chunks_total=3, duration_samples=48_000, silent_samples=0)
    assert await tasks.claim("t", "other") is None


async def test_cancelling_takes_the_claim(tasks):
    """The preparer's next write is refused, and what has ended cannot be cancelled."""
    task = await tasks.claim("t", "me")
    assert await tasks.cancel("t")
    assert await tasks.note_cut(task, 1) is False
    assert await tasks.holds(task) is False
    assert await tasks.cancel("t") is False


async def test_a_deleted_task_is_nowhere_at_once(tasks):
    """Not to be read, listed, claimed or ended; its document goes last."""
    task = await tasks.claim("t", "me")
    assert await tasks.mark_deleted("t")
    assert await tasks.get("t") is None
    assert await tasks.newest() == []
    assert await tasks.holds(task) is False
    assert await tasks.claim("t", "other") is None
    assert await tasks.end(task, TaskStatus.FAILED) is False
    assert [left.id async for left in tasks.open()] == ["t"]
    await tasks.purge("t")
    assert [left.id async for left in tasks.open()] == []


async def test_purging_spares_what_is_not_deleted(tasks):
    """A late purge of a reused id removes nothing."""
    await tasks.purge("t")
    assert await tasks.get("t") is not None


@pytest.mark.parametrize("status", sorted(TASK_ENDED))
async def test_only_what_is_ended_can_be_closed(tasks, status):
    """The sweeper sees a task until it has ended and been tidied up."""
    await tasks.close("t")
    assert [task.id async for task in tasks.open()] == ["t"]
    task = await tasks.claim("t", "me")
    await tasks.start_processing(task, "en", None)
    await (tasks.cancel("t") if status == "cancelled" else tasks.end(await tasks.get("t"), TaskStatus(status)))
    await tasks.close("t")
    assert [task.id async for task in tasks.open()] == []


async def test_reopening_clears_the_failure(tasks):
    """A retried task runs again with a clean slate; a completed one cannot."""
    task = await tasks.claim("t", "me")
    await tasks.start_processing(task, "en", None)
    await tasks.end(await tasks.get("t"), TaskStatus.PARTIAL, completed=1, failed=2, error=OOPS)
    assert await tasks.reopen("t", TaskStatus.PROCESSING)
    again = await tasks.get("t")
    assert (again.status, again.chunks_failed, again.error, again.finished_at) == (TaskStatus.PROCESSING, 0, None, None)
    await tasks.end(await tasks.get("t"), TaskStatus.COMPLETED)
    assert await tasks.reopen("t", TaskStatus.PROCESSING) is False


async def test_documents_of_a_newer_writer_can_be_read(resources, tasks):
    """Fields and options that this version does not know are passed over."""
    new = {"$set": {"options.sparkle": 3, "plan.twist": 1, "mood": "good"}}
    await resources.tasks._tasks.update_one({"_id": "t"}, new)
    assert await tasks.get("t") == a_task()


async def test_documents_of_an_older_writer_can_be_read(resources, tasks):
    """Fields that came later have their defaults."""
    old = {
        "$unset": {"word_timestamps": 1, "max_parallel_workers": 1, "plan": 1, "options.beam_size": 1, "attempts": 1}
    }
    await resources.tasks._tasks.update_one({"_id": "t"}, old)
    task = await tasks.get("t")
    assert (task.word_timestamps, task.max_parallel_workers, task.plan) == (False, None, CutPlan())


async def test_tasks_that_ended_long_ago_have_expired(resources):
    """The oldest first and as many as asked for; never one that is deleted, reopened, or not ended."""
    tasks = resources.tasks
    for name in ("first", "second", "gone", "again", "open"):
        await tasks.insert(a_task(name))
    for name in ("first", "second", "gone", "again"):
        assert await tasks.end(await tasks.get(name), TaskStatus.FAILED, error=OOPS)
    await tasks.mark_deleted("gone")
    await tasks.reopen("again", TaskStatus.QUEUED)
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert [task.id for task in await tasks.expired(later)] == ["first", "second"]
    assert [task.id for task in await tasks.expired(later, limit=1)] == ["first"]
    assert await tasks.expired(datetime.now(UTC) - timedelta(hours=1)) == []


async def test_a_key_has_one_task_until_it_is_forgotten(resources):
    """A second insert with it is refused; it goes with the mark of deletion, before the document does."""
    tasks, known = resources.tasks, Idempotency(key="k", fingerprint="f", language="en")
    assert await tasks.insert(replace(a_task("t"), idempotency=known))
    assert await tasks.insert(replace(a_task("u"), idempotency=known)) is False
    assert await tasks.insert(a_task("v"))
    assert await tasks.by_key("k") == replace(a_task("t"), idempotency=known)
    await tasks.mark_deleted("t")
    assert await tasks.by_key("k") is None
    assert await tasks.insert(replace(a_task("u"), idempotency=known))
    await tasks.forget_key("u")
    assert await tasks.get("u") == a_task("u")


async def test_tasks_that_wait_are_counted_up_to_a_limit(resources):
    """Only those that nobody has started on."""
    for number in range(5):
        await resources.tasks.insert(a_task(f"t{number}"))
    await resources.tasks.claim("t0", "me")
    assert (await resources.tasks.waiting(limit=10), await resources.tasks.waiting(limit=3)) == (4, 3)
