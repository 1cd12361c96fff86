"""What the sweeper repairs: the dead, lost messages, lost credits, ends not written, remains."""

import json

import pytest

from core.flow.submit import submit
from core.models import Cut, Failure, WindowResult
from core.states import ChunkState, TaskStatus
from tests.support.audio import speech, wav
from tests.support.tasks import blob_keys, chunks_of, claim_one, complete_one, ended, put_task, until, working
from worker.runfiles import Cause
from worker.runtime import open_context
from worker.takeover import LONGEST_REST_SECONDS, MAX_INTERRUPTIONS, free_chunk, take_over

SECOND = 16_000


@pytest.fixture
def journal(tmp_path):
    """Where the fake engine notes every window."""
    return tmp_path / "journal"


@pytest.fixture
def settings(settings, journal):
    """A fake engine that keeps a journal."""
    return settings.model_copy(
        update={"fake_engine": json.dumps({"journal": str(journal)}), "retry_delay_seconds": 0.0}
    )


@pytest.fixture
async def context(settings, resources):
    """A worker's context without a worker."""
    async with open_context(settings, resources) as context:
        yield context


async def prepared(resources, settings, count=3):
    """A task whose chunks are cut and pending, as after a crash of everything."""
    task_id = await put_task(resources, settings, b"")
    task = await resources.tasks.claim(task_id, "preparer")
    await resources.tasks.start_processing(task, "en", 0.9)
    pcm = speech(count, gap_seconds=0)
    cuts = []
    for i in range(count):
        start, end = i * SECOND, (i + 1) * SECOND
        cuts.append(Cut(index=i, start=start, end=end, core_start=start, core_end=end))
        await resources.blobs.put(f"pcm/{task_id}/{i:06d}", pcm[start:end].tobytes())
    await resources.chunks.add(task_id, cuts)
    await resources.tasks.note_cut(task, count)
    await resources.tasks.finish_cutting(task, chunks_total=count, duration_samples=count * SECOND, silent_samples=0)
    return task_id


async def test_chunks_that_nobody_announced_are(resources, settings):
    """A crash between cutting and announcing: the task ends all the same."""
    task_id = await prepared(resources, settings)
    async with working(settings, resources):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED


async def test_lost_messages_are_announced_again(resources, settings, journal):
    """Chunks that were announced to a broker that died with its process are transcribed once each."""
    task_id = await prepared(resources, settings)
    for index in range(3):
        await resources.chunks.queue(task_id, index)
    async with working(settings, resources):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED
    assert len(journal.read_text().splitlines()) == 3


async def test_a_task_whose_message_was_lost_is_prepared(resources, settings):
    """Stored and never announced: still accepted."""
    task_id = await put_task(resources, settings, wav(speech(10)))
    resources.broker._lines["tasks"].waiting.clear()
    async with working(settings, resources):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED


async def test_a_dead_workers_chunks_are_taken_over(resources, settings):
    """Its counter stands still: after a while on our clock its chunk is somebody else's, and no attempt is counted."""
    task_id = await prepared(resources, settings)
    await resources.workers.register("ghost", slots=1, batch=1)
    await resources.chunks.queue(task_id, 0)
    stale = await claim_one(resources.chunks, task_id, 0, "ghost")
    async with working(settings, resources):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED
        assert [worker.id for worker in await resources.workers.all() if worker.id == "ghost"] == []
    first = (await chunks_of(resources, task_id))[0]
    assert (first.attempts, first.interruptions) == (1, 1)
    assert await complete_one(resources.chunks, stale, WindowResult(segments=())) is False


async def test_a_living_workers_chunk_is_left_alone(resources, settings):
    """As long as its counter moves, however long it takes."""
    task_id = await prepared(resources, settings, count=1)
    await resources.workers.register("slow", slots=1, batch=1)
    await resources.chunks.queue(task_id, 0)
    mine = await claim_one(resources.chunks, task_id, 0, "slow")
    async with working(settings, resources) as worker:
        sweeps = worker._sweeper

        async def beat_and_count():
            await resources.workers.beat("slow", sweeps._passes)
            return sweeps._passes

        await until(beat_and_count, lambda passes: passes > 12)
        assert await complete_one(resources.chunks, mine, WindowResult(segments=()))
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED
    assert (await chunks_of(resources, task_id))[0].attempts == 1


async def test_a_dead_preparers_task_is_prepared_by_another(resources, settings):
    """From the start, and what it had cut is not cut twice."""
    task_id = await put_task(resources, settings, wav(speech(20)))
    await resources.workers.register("ghost", slots=1, batch=1)
    await resources.tasks.claim(task_id, "ghost")
    async with working(settings, resources):
        task = await ended(resources, task_id)
    assert (task.status, task.attempts, task.interruptions) == (TaskStatus.COMPLETED, 1, 1)


async def test_a_task_over_which_workers_die_is_given_up_with_its_account(resources, settings, context):
    """It can be prepared again, and says meanwhile where its audio went."""
    task_id = await put_task(resources, settings, wav(speech(20)))
    task = await resources.tasks.claim(task_id, "ghost")
    await resources.tasks.start_processing(task, "en", 0.9)
    await resources.chunks.add(task_id, [Cut(index=0, start=0, end=SECOND, core_start=0, core_end=SECOND)])
    await resources.tasks._tasks.update_one({"_id": task_id}, {"$set": {"interruptions": MAX_INTERRUPTIONS}})
    await take_over(context, "ghost", Cause.OUTSIDE)
    given_up = await resources.tasks.get(task_id)
    assert (given_up.status, given_up.error.code) == (TaskStatus.FAILED, "worker_lost")
    assert given_up.coverage.failed_samples == SECOND


async def test_an_owner_that_is_not_listed_is_dead(resources, settings):
    """A worker that was declared dead, woke up, claimed, and died before it could announce itself again."""
    task_id = await prepared(resources, settings, count=1)
    await resources.chunks.queue(task_id, 0)
    await claim_one(resources.chunks, task_id, 0, "nobody")
    async with working(settings, resources):
        assert (await ended(resources, task_id)).status is TaskStatus.COMPLETED


async def test_what_a_worker_owns_and_does_not_know_of_is_freed(resources, settings):
    """An outage swallowed the answer to its claims: neither the chunk nor the task stands still for ever."""
    cut, uncut = await prepared(resources, settings, count=1), await put_task(resources, settings, wav(speech(5)))
    await resources.chunks.queue(cut, 0)
    async with working(settings, resources) as worker:
        me = worker._context.worker_id
        for queue in ("tasks", "chunks"):
            resources.broker._lines[queue].waiting.clear()
        claims = await claim_one(resources.chunks, cut, 0, me), await resources.tasks.claim(uncut, me)
        assert None not in claims
        assert (await ended(resources, cut)).status is TaskStatus.COMPLETED
        assert (await ended(resources, uncut)).status is TaskStatus.COMPLETED


async def test_an_end_that_was_not_written_is(resources, settings):
    """All chunks done and a crash before the task's end was stored."""
    task_id = await prepared(resources, settings, count=1)
    await resources.chunks.queue(task_id, 0)
    await complete_one(
        resources.chunks, await claim_one(resources.chunks, task_id, 0, "gone"), WindowResult(segments=())
    )
    async with working(settings, resources):
        task = await ended(resources, task_id)
        await until(lambda: blob_keys(resources), lambda keys: not keys)
    assert task.status is TaskStatus.COMPLETED


async def test_remains_of_a_cancel_and_of_a_delete_are_cleared(resources, settings):
    """Both crashed after their first write."""
    cancelled, deleted = await prepared(resources, settings), await prepared(resources, settings)
    await resources.tasks.cancel(cancelled)
    await resources.tasks.mark_deleted(deleted)
    async with working(settings, resources):
        await until(lambda: blob_keys(resources), lambda keys: not keys)
        await until(lambda: resources.tasks.get(deleted, deleted=True), lambda task: task is None)
    assert {chunk.state for chunk in await chunks_of(resources, cancelled)} == {ChunkState.CANCELLED}
    assert await chunks_of(resources, deleted) == []


async def test_three_crashes_fail_a_chunk_and_deaths_from_outside_do_not(resources, settings, context):
    """A crash by its work counts as an attempt; being killed counts apart, up to a limit of its own."""
    task_id = await prepared(resources, settings, count=2)

    async def die(index: int, cause: Cause):
        await resources.chunks.queue(task_id, index)
        await free_chunk(context, await claim_one(resources.chunks, task_id, index, "w"), cause)
        return (await chunks_of(resources, task_id))[index]

    for _ in range(2):
        assert (await die(0, Cause.CRASHED)).state is ChunkState.PENDING
    failed = await die(0, Cause.MEMORY)
    assert (failed.state, failed.attempts, failed.error.code) == (ChunkState.FAILED, 3, "worker_out_of_memory")
    for count in range(1, MAX_INTERRUPTIONS + 1):
        killed = await die(1, Cause.OUTSIDE)
        assert (killed.state, killed.attempts, killed.interruptions) == (ChunkState.PENDING, 0, count)
    assert (await die(1, Cause.OUTSIDE)).state is ChunkState.FAILED


async def test_a_chunk_over_which_workers_keep_dying_waits_longer_and_longer(resources, settings, monkeypatch):
    """Each try costs the healthy ones a worker. Two deaths say nothing yet, and being given back is none."""
    task_id = await prepared(resources, settings, count=1)
    give_back, rests = resources.chunks.give_back, []

    async def noted(chunk, *, interrupted, delay_seconds):
        rests.append(delay_seconds)
        return await give_back(chunk, interrupted=interrupted)

    monkeypatch.setattr(resources.chunks, "give_back", noted)
    async with open_context(settings.model_copy(update={"retry_delay_seconds": 0.5}), resources) as context:
        for cause in [*[Cause.OUTSIDE] * 8, Cause.LEFT]:
            await resources.chunks.queue(task_id, 0)
            await free_chunk(context, await claim_one(resources.chunks, task_id, 0, "w"), cause)
    assert rests == [0, 0, 0.5, 1, 2, 4, LONGEST_REST_SECONDS, LONGEST_REST_SECONDS, 0]


async def test_taking_over_twice_is_harmless(resources, settings, context):
    """Two sweepers see the same death; the second finds the chunk somebody else's."""
    task_id = await prepared(resources, settings, count=1)
    await resources.chunks.queue(task_id, 0)
    stale = await claim_one(resources.chunks, task_id, 0, "ghost")
    assert await take_over(context, "ghost", Cause.OUTSIDE) == {task_id}
    await resources.chunks.queue(task_id, 0)
    fresh = await claim_one(resources.chunks, task_id, 0, "other")
    await free_chunk(context, stale, Cause.CRASHED)
    assert await take_over(context, "ghost", Cause.CRASHED) == set()
    assert await complete_one(resources.chunks, fresh, WindowResult(segments=()))


async def test_blobs_of_no_task_go(resources, settings):
    """After they were seen without one for a while; what a task may still need stays."""
    settings = settings.model_copy(update={"orphan_seconds": 2.0})
    await resources.blobs.put("uploads/nobodys", b"x")
    await resources.blobs.put("pcm/nobodys/000000", b"x")
    kept = await put_task(resources, settings, wav(speech(5)))
    failure = Failure(code="preparation_failed", message="")
    await resources.tasks.end(await resources.tasks.get(kept), TaskStatus.FAILED, error=failure)
    async with working(settings, resources):
        await until(lambda: blob_keys(resources), lambda keys: keys == [f"uploads/{kept}"])


async def test_submitting_twice_is_one_task(resources, settings):
    """A client's repeated insert is harmless."""
    task_id = await put_task(resources, settings, wav(speech(5)))
    task = await resources.tasks.get(task_id)
    await submit(resources, task)
    async with working(settings, resources):
        await ended(resources, task_id)
    assert len(await resources.tasks.newest()) == 1
