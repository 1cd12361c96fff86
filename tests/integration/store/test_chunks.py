"""The chunk store on a real database: claims, fences, delays, and that every write is conditional."""

import asyncio

import pytest
from pymongo.errors import AutoReconnect, WriteConcernError

from core.adapters.mongo.chunks import SUSPICIOUS_DEATHS
from core.models import Cut, Failure, Segment, WindowResult, Word
from core.states import ChunkState
from tests.support.tasks import claim_one, complete_one, until

OOPS = Failure(code="oops", message="Something failed.")
RESULT = WindowResult(
    segments=(
        Segment(
            start=0.1,
            end=0.9,
            text=" Hello there.",
            words=(
                Word(start=0.1, end=0.4, text=" Hello", probability=0.9),
                Word(start=0.5, end=0.9, text=" there.", probability=0.8),
            ),
            tokens=(1, 2, 3),
        ),
    ),
    avg_logprob=-0.2,
    flags=("repetition",),
)


def cuts(count: int) -> list[Cut]:
    """Windows of a second each."""
    return [
        Cut(index=i, start=i * 16_000, end=(i + 1) * 16_000, core_start=i * 16_000, core_end=(i + 1) * 16_000)
        for i in range(count)
    ]


@pytest.fixture
async def chunks(resources):
    """Three pending chunks of task ``t``."""
    await resources.chunks.add("t", cuts(3))
    return resources.chunks


async def claimed(chunks, index=0, owner="me"):
    """Announced and claimed."""
    assert await chunks.queue("t", index)
    return await claim_one(chunks, "t", index, owner)


async def states(chunks):
    """All states in order."""
    return [chunk.state.value async for chunk in chunks.iterate("t")]


async def test_cutting_twice_stores_once(chunks):
    """What an earlier attempt stored stays as it is, done or not."""
    await complete_one(chunks, await claimed(chunks), RESULT)
    await chunks.add("t", cuts(4))
    assert await states(chunks) == ["done", "pending", "pending", "pending"]
    assert await chunks.known("t") == {0, 1, 2, 3}


async def test_a_result_comes_back_as_it_was(chunks):
    """Words, tokens, figures and flags."""
    assert await complete_one(chunks, await claimed(chunks), RESULT)
    first = await anext(chunks.iterate("t"))
    assert first.result == RESULT
    assert (first.state, first.owner, first.attempts) == (ChunkState.DONE, None, 1)


async def test_the_next_chunk_is_the_first_pending_one(chunks):
    """In order, each once, and none where none is left."""
    assert [await chunks.queue_some("t", 0, 3, most) for most in (1, 5, 1)] == [[0], [1, 2], []]
    assert await chunks.out("t") == 3
    assert await chunks.queued("t") == {cut.index: cut.core_end - cut.core_start for cut in cuts(3)}


async def test_what_was_stored_just_now_is_announced_without_a_look(chunks, monkeypatch):
    """Unless it is not pending after all: cancelled at that moment, or announced by somebody else."""
    looks = []

    async def look(task_id, indexes):
        looks.append([*indexes])
        return dict.fromkeys(indexes)

    monkeypatch.setattr(chunks, "_ready", look)
    await chunks.add("t", cuts(8))
    assert await chunks.queue_some("t", 3, 5, 9, 3) == [3, 4]
    assert looks == []
    assert await chunks.queue_some("t", 3, 7, 9, 3) == [5, 6]
    assert await chunks.queue_some("t", 3, 7, 9, 3) == []
    assert await chunks.queue_some("t", 2, 8, 9, 3) == [2, 7]
    assert looks == [[2, 3, 4, 5, 6, 7]]


async def test_fifty_at_once_get_a_chunk_each(resources):
    """Nobody gets a chunk that somebody else got, however they race."""
    await resources.chunks.add("t", cuts(40))
    got = await asyncio.gather(*(resources.chunks.queue_some("t", 0, 40, 1) for _ in range(50)))
    indexes = sorted(index for one in got for index in one)
    assert indexes == sorted(set(indexes))
    wins = await asyncio.gather(*(claim_one(resources.chunks, "t", indexes[0], f"w{i}") for i in range(20)))
    assert sum(win is not None for win in wins) == 1


async def test_who_takes_many_at_once_gets_none_that_another_got(resources):
    """Each is one caller's, and all are somebody's."""
    await resources.chunks.add("t", cuts(40))
    got = await asyncio.gather(*(resources.chunks.queue_some("t", 0, 40, 9) for _ in range(6)))
    assert sorted(index for one in got for index in one) == list(range(40))


async def test_only_an_announced_chunk_can_be_claimed(chunks):
    """A doubled message finds it running or done and gets nothing."""
    assert await claim_one(chunks, "t", 0, "me") is None
    first = await claimed(chunks)
    assert (first.fence, first.attempts, first.owner) == (1, 1, "me")
    assert await claim_one(chunks, "t", 0, "other") is None
    await complete_one(chunks, first, RESULT)
    assert await chunks.queue("t", 0) is False
    assert await claim_one(chunks, "t", 0, "other") is None


async def test_the_fence_refuses_whoever_was_taken_over(chunks):
    """A paused worker's result, failure and giving back change nothing once somebody else has the chunk."""
    stale = await claimed(chunks)
    assert await chunks.give_back(stale, interrupted=True)
    fresh = await claimed(chunks, owner="other")
    assert await complete_one(chunks, stale, RESULT) is False
    assert await chunks.fail(stale, OOPS, attempts_left=False) is False
    assert await chunks.give_back(stale) is False
    assert await complete_one(chunks, fresh, RESULT) is True


async def test_the_fence_holds_for_the_same_owner_too(chunks):
    """Its own older claim is as stale as anybody's."""
    stale = await claimed(chunks)
    await chunks.give_back(stale)
    await claimed(chunks)
    assert await complete_one(chunks, stale, RESULT) is False


async def test_giving_back_counts_no_attempt(chunks):
    """Nor does a death from outside, which is counted apart."""
    await chunks.give_back(await claimed(chunks))
    await chunks.give_back(await claimed(chunks), interrupted=True)
    again = await claimed(chunks)
    assert (again.attempts, again.interruptions, again.fence) == (1, 1, 3)


async def test_a_failed_attempt_waits_for_its_delay(chunks):
    """Not announced before it is over, by the database's clock; then it is."""
    await chunks.fail(await claimed(chunks), OOPS, attempts_left=True, delay_seconds=0.3)
    assert await chunks.queue("t", 0) is False
    assert await chunks.queue_some("t", 0, 1, 1) == []
    await until(lambda: chunks.queue("t", 0), bool)


async def test_the_last_attempt_fails_for_good_and_says_why(chunks):
    """It is not announced again, until somebody asks for a retry."""
    await chunks.fail(await claimed(chunks), OOPS, attempts_left=False)
    assert await states(chunks) == ["failed", "pending", "pending"]
    assert (await anext(chunks.iterate("t"))).error == OOPS
    assert await chunks.reopen("t") == 1
    assert (await claimed(chunks)).attempts == 1


async def test_what_is_pending_is_found_behind_many_that_are_not(chunks):
    """However far behind: who forgot where to look begins at the start."""
    await chunks.add("long", cuts(100))
    assert await chunks.queue_some("long", 0, 100, 99) == [*range(99)]
    assert await chunks.has_pending("long", 0, 100)
    assert not await chunks.has_pending("long", 0, 99)


async def test_who_was_tried_before_is_suspect(chunks):
    """By a failure, or by several deaths, but not by having been given back in order."""
    names = [("t", index) for index in range(3)]
    await chunks.give_back(await claimed(chunks, 0))
    await chunks.queue("t", 0)
    assert await chunks.suspect(names) == {}
    await chunks.fail(await claimed(chunks, 1), OOPS, attempts_left=True)
    await chunks.queue("t", 1)
    for _ in range(SUSPICIOUS_DEATHS):
        assert await chunks.suspect(names) == {("t", 1): 1}
        await chunks.give_back(await claimed(chunks, 2), interrupted=True)
    await chunks.queue("t", 2)
    assert await chunks.suspect(names) == {("t", 1): 1, ("t", 2): 0}
    assert [claim.cut.index for claim in await chunks.claim(names, "me", healthy=True)] == [0]
    assert [claim.cut.index for claim in await chunks.claim(names, "me")] == [1, 2]


async def test_what_is_at_work_or_done_is_no_suspect(chunks):
    """A message that came twice finds nothing to do: it need not wait until it can be done alone."""
    names = [("t", index) for index in range(2)]
    await claimed(chunks, 0)
    await chunks.complete([(await claimed(chunks, 1), RESULT)])
    assert await chunks.suspect(names) == {}


async def test_cancelling_spares_what_is_done(chunks):
    """And a running claim loses its fence."""
    await complete_one(chunks, await claimed(chunks, 0), RESULT)
    running = await claimed(chunks, 1)
    await chunks.cancel("t")
    assert await states(chunks) == ["done", "cancelled", "cancelled"]
    assert await complete_one(chunks, running, RESULT) is False


async def test_lost_claims_are_seen(chunks):
    """Cancelled, deleted or taken over: the slot need not go on."""
    mine = [await claimed(chunks, 0), await claimed(chunks, 1)]
    assert await chunks.lost(mine) == set()
    await chunks.give_back(mine[0])
    assert await chunks.lost(mine) == {("t", 0)}
    await claimed(chunks, 0, owner="other")
    assert await chunks.lost(mine) == {("t", 0)}
    await chunks.purge("t")
    assert await chunks.lost(mine) == {("t", 0), ("t", 1)}


async def test_the_tally_counts_chunks_and_samples(chunks):
    """By state."""
    await complete_one(chunks, await claimed(chunks, 0), RESULT)
    await claimed(chunks, 1)
    tally = await chunks.tally("t")
    assert tally.count(ChunkState.DONE) == tally.count(ChunkState.RUNNING) == tally.count(ChunkState.PENDING) == 1
    assert tally.length(ChunkState.DONE, ChunkState.RUNNING) == 32_000


async def test_tasks_do_not_see_each_other(chunks):
    """Neither in counting nor in clearing away."""
    await chunks.add("u", cuts(2))
    await chunks.purge("t")
    assert await states(chunks) == []
    assert (await chunks.tally("u")).count(ChunkState.PENDING) == 2


async def test_an_announcement_can_be_withdrawn_until_somebody_took_the_chunk(chunks):
    """What was claimed meanwhile stays claimed."""
    assert await chunks.queue_some("t", 0, 3, 2) == [0, 1]
    await claim_one(chunks, "t", 0, "me")
    await chunks.withdraw("t", [0, 1])
    assert (await states(chunks))[:2] == ["running", "pending"]


async def test_a_batch_is_claimed_and_stored_in_one_go(chunks):
    """What somebody else has, or is not there, is left out; what its owner has already is not taken twice."""
    names = [("t", index) for index in range(3)]
    await chunks.queue("t", 0)
    await chunks.queue("t", 1)
    (mine,) = await chunks.claim([("t", 0)], "me")
    (other,) = await chunks.claim([*names, ("t", 99), ("t", 1)], "me")
    assert (mine.cut.index, other.cut.index) == (0, 1)
    assert await chunks.claim(names, "me") == []
    assert await chunks.complete([(mine, RESULT), (other, RESULT)]) == {("t", 0), ("t", 1)}


async def test_a_batch_is_stored_but_for_what_was_taken_over(chunks):
    """Its result is thrown away; the others' count. Asked again, since an answer was lost, it is told the same."""
    stale, good = await claimed(chunks, 0), await claimed(chunks, 1)
    await chunks.give_back(stale, interrupted=True)
    await chunks.queue("t", 0)
    (fresh,) = await chunks.claim([("t", 0)], "other")
    for _ in range(2):
        assert await chunks.complete([(stale, RESULT), (good, RESULT)]) == {("t", 1)}
    assert await complete_one(chunks, fresh, RESULT)


async def test_of_a_batch_that_many_claim_each_chunk_is_claimed_once(chunks):
    """However they race: one fence and one attempt for each, and all are somebody's."""
    await chunks.add("many", cuts(8))
    names = [("many", index) for index in await chunks.queue_some("many", 0, 8, 8)]
    got = await asyncio.gather(*(chunks.claim(names, f"w{i}") for i in range(12)))
    claims = [claim for one in got for claim in one]
    assert sorted(claim.cut.index for claim in claims) == [*range(8)]
    assert {(claim.fence, claim.attempts) for claim in claims} == {(1, 1)}


@pytest.mark.parametrize("unheard", [AutoReconnect("connection closed"), WriteConcernError("stepped down", 189)])
async def test_who_does_not_hear_that_a_batch_was_announced_or_claimed_asks_again(chunks, monkeypatch, unheard):
    """A connection or a primary that goes after the write: it is repeated, changes nothing more, and all are known."""
    write, times = chunks._chunks.update_many, []

    async def unheard_at_first(*values):
        done = await write(*values)
        times.append(done.matched_count)
        if len(times) % 2:
            raise unheard
        return done

    monkeypatch.setattr(chunks._chunks, "update_many", unheard_at_first)
    assert await chunks.queue_some("t", 0, 3, 2) == [0, 1]
    claims = await chunks.claim([("t", index) for index in range(3)], "me")
    assert [(claim.cut.index, claim.fence, claim.attempts) for claim in claims] == [(0, 1, 1), (1, 1, 1)]
    assert times == [2, 0, 2, 0]
