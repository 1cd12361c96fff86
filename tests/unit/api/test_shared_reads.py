"""Reads that several askers share."""

import asyncio

import pytest

from api.shared_reads import SharedReads
from core.errors import StoreUnavailableError


class Store:
    """Answers each read when told to, with the number of the read."""

    def __init__(self):
        self.reads = []

    async def read(self, task_id):
        answer = asyncio.get_running_loop().create_future()
        self.reads.append((task_id, answer))
        return await answer


@pytest.fixture
def store():
    """One."""
    return Store()


async def turns():
    """Let everything go on."""
    for _ in range(5):
        await asyncio.sleep(0)


async def asking(reads, *task_ids):
    """Askers, one for each id, who have begun to wait."""
    asked = [asyncio.create_task(reads.get(task_id)) for task_id in task_ids]
    await turns()
    return asked


async def test_those_who_wait_share_the_next_read(store):
    """And nobody gets the one that was under way: it may have begun before what the asker has changed."""
    reads = SharedReads(store.read)
    (first,) = await asking(reads, "a")
    later = await asking(reads, "a", "a", "a")
    assert len(store.reads) == 1
    store.reads[0][1].set_result("old")
    await turns()
    assert first.result() == "old"
    assert len(store.reads) == 2
    store.reads[1][1].set_result("new")
    assert await asyncio.gather(*later) == ["new"] * 3


async def test_other_tasks_do_not_wait(store):
    """Each has its own."""
    await asking(reads := SharedReads(store.read), "a")
    await asking(reads, "b")
    assert [task_id for task_id, _ in store.reads] == ["a", "b"]
    for _, answer in store.reads:
        answer.set_result(None)


async def test_who_goes_away_takes_nothing_from_the_others(store):
    """The read goes on."""
    reads = SharedReads(store.read)
    first, second = await asking(reads, "a", "a")
    first.cancel()
    await turns()
    store.reads[0][1].set_result("it")
    assert await second == "it"


async def test_a_failed_read_fails_those_who_asked_and_nobody_later(store):
    """The next asker reads anew."""
    reads = SharedReads(store.read)
    (first,) = await asking(reads, "a")
    store.reads[0][1].set_exception(StoreUnavailableError("away"))
    with pytest.raises(StoreUnavailableError):
        await first
    (second,) = await asking(reads, "a")
    store.reads[1][1].set_result("there")
    assert await second == "there"


async def test_who_waited_for_a_database_that_did_not_answer_waits_no_second_time(store):
    """Two deadlines would have gone by before the refusal. Whoever comes afterwards asks anew."""
    reads = SharedReads(store.read)
    asked = [*await asking(reads, "a"), *await asking(reads, "a", "a")]
    store.reads[0][1].set_exception(StoreUnavailableError("away"))
    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 3
    (later,) = await asking(reads, "a")
    assert len(store.reads) == 2
    store.reads[1][1].set_result("there")
    assert await later == "there"


async def test_a_read_that_failed_otherwise_is_no_answer_for_those_who_came_later(store):
    """What they asked for may be there by now."""
    reads = SharedReads(store.read)
    (first,) = await asking(reads, "a")
    (second,) = await asking(reads, "a")
    store.reads[0][1].set_exception(ValueError("torn"))
    with pytest.raises(ValueError, match="torn"):
        await first
    await turns()
    store.reads[1][1].set_result("there")
    assert await second == "there"
