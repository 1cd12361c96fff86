"""Which chunks a free slot takes next."""

import asyncio
from dataclasses import replace

import pytest

from core.models import Options
from core.ports import Message
from worker.batching import BatchSize
from worker.intake import Arrival, Hand, Intake, IntakeClosedError, Rest

BASE = Options(model="base", language="en")


class Delivery:
    """A delivery that remembers what became of it."""

    def __init__(self) -> None:
        self.message = Message(task_id="")
        self.settled: list[str] = []

    async def ack(self) -> None:
        self.settled.append("ack")

    async def requeue(self) -> None:
        self.settled.append("requeue")


def arrival(task_id: str, index: int, options: Options = BASE) -> Arrival:
    """A chunk message in hand."""
    return Arrival(task_id=task_id, index=index, options=options, delivery=Delivery())


def intake(*, slots: int = 2, batch: int | None = 4, left: float | None = 0) -> Intake:
    """An intake whose tasks have so much left for each slot, or (None) more to come. ``batch``: None to try sizes."""

    async def answer(task_ids: list[str]) -> Rest | None:
        return None if left is None else Rest(each=left)

    sizes = BatchSize(of=replace(BASE, language=None), slots=slots, settled=batch)
    return Intake(slots=slots, sizes=sizes, left=answer)


async def filled(taken: Intake, *arrivals: Arrival) -> Intake:
    """With these arrivals."""
    for one in arrivals:
        await taken.put(one)
    return taken


def names(hand: Hand) -> list[tuple[str, int]]:
    """Task and index."""
    return [(one.task_id, one.index) for one in hand.arrivals]


async def test_tasks_take_turns_within_a_batch():
    """Where none has a batch of its own waiting."""
    taken = await filled(intake(), *[arrival(task, index) for task in "ab" for index in range(3)])
    assert names(await taken.take()) == [("a", 0), ("b", 0), ("a", 1)]


async def test_a_task_is_in_hand_from_its_arrival_until_its_batch_is_done():
    """Whether it waits or a slot has it."""
    taken = intake()
    assert not taken.has_of("a")
    await filled(taken, arrival("a", 0))
    assert taken.has_of("a")
    assert not taken.has_of("b")
    hand = await taken.take()
    assert taken.has_of("a")
    taken.done(hand)
    assert not taken.has_of("a")


async def test_a_short_task_is_in_the_next_batch_and_need_not_wait_for_windows_of_a_long_one():
    """Though the long one was there first; what is short shares a batch."""
    taken = await filled(intake(), *[arrival("long", index) for index in range(20)])
    assert names(await taken.take()) == [("long", index) for index in range(4)]
    await filled(taken, arrival("short", 0), arrival("note", 0))
    assert names(await taken.take()) == [("short", 0), ("note", 0)]


async def test_short_tasks_do_not_starve_a_long_one():
    """Every second batch is the long one's, however many short ones come in."""
    taken = await filled(intake(slots=1, batch=2), *[arrival("long", index) for index in range(8)])
    seen = []
    for number in range(6):
        await filled(taken, *[arrival(f"short {number} {other}", 0) for other in range(3)])
        seen.append({one.task_id == "long" for one in (await taken.take()).arrivals})
    assert seen == [{False}, {True}] * 3


async def test_tasks_take_turns_from_batch_to_batch():
    """Whoever was served goes to the end of the line."""
    taken = await filled(intake(batch=1), *[arrival(task, index) for task in "ab" for index in range(2)])
    assert [names(await taken.take())[0] for _ in range(4)] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


async def test_only_equal_options_share_a_batch():
    """Two languages are two batches; the one passed over is first in the next."""
    german = Options(model="base", language="de")
    taken = await filled(intake(), arrival("a", 0), arrival("b", 0, german), arrival("a", 1), arrival("c", 0))
    # four of them for two slots: an even share is two
    assert names(await taken.take()) == [("a", 0), ("c", 0)]
    assert names(await taken.take()) == [("b", 0)]


@pytest.mark.parametrize(
    ("waiting", "first"), [(13, 4), (11, 4), (10, 5), (9, 5), (8, 4), (7, 4), (6, 3), (5, 3), (3, 2), (2, 1), (1, 1)]
)
async def test_what_is_left_at_the_end_is_shared_evenly(waiting: int, first: int):
    """Two slots, batches of four, nothing more to come."""
    taken = await filled(intake(), *[arrival("a", index) for index in range(waiting)])
    assert len((await taken.take()).arrivals) == first


@pytest.mark.parametrize(("left", "first"), [(7.0, 4), (4.0, 4), (3.5, 4), (2.5, 3), (1.5, 2), (0.3, 2)])
async def test_what_is_left_elsewhere_counts_too(left: float, first: int):
    """Four wait here, the others in the broker or with other workers: batches do not shrink before their time."""
    taken = await filled(intake(left=left), *[arrival("a", index) for index in range(4)])
    assert len((await taken.take()).arrivals) == first


def of_lengths(*seconds: int, batch: int = 4) -> Intake:
    """An intake of two slots, where what is left of task a are windows of these lengths (0: begun already)."""
    left = {("a", index): each for index, each in enumerate(seconds) if each}

    async def answer(_: list[str]) -> Rest:
        return Rest(each=len(left) / 2, samples=left)

    return Intake(slots=2, sizes=BatchSize(of=replace(BASE, language=None), slots=2, settled=batch), left=answer)


async def test_at_a_files_end_a_slot_takes_the_windows_that_fit():
    """The first two would be longer by 16 seconds than the others: it takes one of each."""
    taken = await filled(of_lengths(28, 28, 20, 20), *[arrival("a", index) for index in range(4)])
    assert names(await taken.take()) == [("a", 0), ("a", 2)]
    assert names(await taken.take()) == [("a", 1), ("a", 3)]


async def test_a_batch_grows_by_the_windows_that_fit():
    """Each slot has begun with one, and is to take two of four more."""
    taken = await filled(of_lengths(0, 0, 28, 28, 20, 20), arrival("a", 0))
    hand = await taken.take()
    await filled(taken, arrival("a", 1))
    await taken.take()
    await filled(taken, *[arrival("a", index) for index in range(2, 6)])
    assert await taken.lacks(hand) == 2
    assert [one.index for one in taken.add(hand, 2)] == [2, 4]


async def test_a_batch_that_is_nearly_full_takes_the_one_window_that_fits():
    """It lacks more than it has room for: what it takes is to come near to that."""
    taken = await filled(of_lengths(0, 0, 20, 20, 40, 20, 20), arrival("a", 0))
    hand = await taken.take()
    hand.most = 2
    await filled(taken, *[arrival("a", index) for index in range(2, 7)])
    assert await taken.lacks(hand) > 1
    assert [one.index for one in taken.add(hand, 1)] == [4]


async def test_of_several_tasks_the_first_windows_are_taken():
    """They take turns, and nobody waits for being long: for one alone the last of five would be a short one."""
    taken = await filled(
        of_lengths(40, 40, 40, 10, 10, 10, 10, batch=8),
        *[arrival("a", index) for index in range(7)],
        *[arrival("b", index) for index in range(3)],
    )
    assert [index for task, index in names(await taken.take()) if task == "a"] == [0, 1, 2]


async def test_full_batches_while_there_is_more_to_come():
    """Six waiting of many: the first slot takes four, not three."""
    taken = await filled(intake(left=None), *[arrival("a", index) for index in range(6)])
    assert len((await taken.take()).arrivals) == 4


@pytest.mark.parametrize("waiting", [100, 26])
async def test_the_usual_size_is_asked_for_at_every_batch(waiting: int):
    """While sizes are tried each batch has another, also where many wait."""
    taken = await filled(intake(batch=None, left=None), *[arrival("a", index) for index in range(waiting)])
    assert [len((await taken.take()).arrivals) for _ in range(3)] == [8, 4, 6]


async def test_at_a_files_end_the_size_of_that_batch_counts():
    """Eleven for two slots: batches of 8 are shared out, where those of 4 are full ones."""
    taken = await filled(intake(batch=None, left=5.5), *[arrival("a", index) for index in range(11)])
    assert len((await taken.take()).arrivals) == 6
    taken = await filled(intake(batch=None, left=8.0), *[arrival("a", index) for index in range(16)])
    assert [len((await taken.take()).arrivals) for _ in range(2)] == [8, 4]


async def test_a_whole_batch_of_one_task_is_one_of_that_size():
    """Seven windows are none of 8, so a note is with them; where 4 are tried they are, and it is not."""
    taken = await filled(intake(batch=None, left=None), *[arrival("long", index) for index in range(7)])
    await filled(taken, arrival("note", 0))
    assert {name for name, _ in names(await taken.take())} == {"long", "note"}
    await filled(taken, *[arrival("long", index) for index in range(7)], arrival("note", 1))
    assert {name for name, _ in names(await taken.take())} == {"long"}


async def test_a_slot_begins_with_what_is_there():
    """Though it is less than its share: what comes is added to it."""
    taken = await filled(intake(left=None), arrival("a", 0))
    hand = await taken.take()
    assert (names(hand), hand.usual, hand.most) == ([("a", 0)], 4, 5)
    await filled(taken, *[arrival("a", index) for index in range(1, 4)])
    assert [one.index for one in taken.add(hand, 2)] == [1, 2]
    assert names(hand) == [("a", 0), ("a", 1), ("a", 2)]
    assert taken.held == {("a", index) for index in range(4)}
    taken.done(hand)
    assert taken.held == {("a", 3)}


async def test_only_chunks_of_its_own_tasks_are_added_to_a_batch():
    """A short file that comes meanwhile may soon have a slot of its own, and need not wait for this one's windows."""
    taken = await filled(intake(left=None), arrival("a", 0))
    hand = await taken.take()
    await filled(taken, arrival("b", 0), arrival("a", 1))
    assert names(hand) + [("a", one.index) for one in taken.add(hand, 3)] == [("a", 0), ("a", 1)]
    assert names(await taken.take()) == [("b", 0)]


@pytest.mark.parametrize(("waiting", "lacks"), [(0, 0), (1, 1), (2, 1), (3, 2), (5, 3), (50, 3)])
async def test_a_batch_lacks_its_share_of_what_is_left(waiting: int, lacks: int):
    """Of two slots each has one window: with five more to come each is to have four, and with many a full batch."""
    taken = await filled(intake(), arrival("a", 0))
    hand = await taken.take()
    await filled(taken, arrival("a", 1))
    await taken.take()
    await filled(taken, *[arrival("a", index) for index in range(2, 2 + waiting)])
    assert await taken.lacks(hand) == lacks


async def test_a_batch_that_has_waited_is_no_further_for_that():
    """By its pace it would be done by now; but all of that time it has waited."""
    found = []
    for waited in (0.0, 99.0):
        taken = await filled(intake(), arrival("a", 0), arrival("a", 1))
        hand = await taken.take()
        taken.under_way.note(1, 1e-6)
        await filled(taken, *[arrival("a", index) for index in range(2, 9)])
        found.append(await taken.lacks(hand, waited))
    assert found[0] > found[1]


async def test_while_more_is_to_come_it_is_not_known_what_a_batch_lacks():
    """The file is still being cut."""
    taken = await filled(intake(left=None), arrival("a", 0))
    assert await taken.lacks(await taken.take()) is None


async def test_whoever_asks_what_is_left_hears_that_there_is_nothing_to_take():
    """The worker leaves meanwhile; what waited is given back, and no empty batch is given out."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: list[str]) -> Rest:
        asked.set()
        await answer.wait()
        return Rest(each=0.5)

    sizes = BatchSize(of=replace(BASE, language=None), slots=2, settled=4)
    taken = await filled(Intake(slots=2, sizes=sizes, left=slow), arrival("a", 0))
    taking = asyncio.create_task(taken.take())
    await asked.wait()
    assert [one.index for one in await taken.close()] == [0]
    answer.set()
    with pytest.raises(IntakeClosedError):
        await taking


async def test_a_doubled_message_is_acknowledged_and_dropped():
    """The chunk is taken once."""
    taken = await filled(intake(), arrival("a", 0))
    double = arrival("a", 0)
    await taken.put(double)
    assert double.delivery.settled == ["ack"]
    assert len(taken) == 1


async def test_what_is_held_is_known_until_it_is_done():
    """So that the sweeper does not announce it a second time."""
    taken = await filled(intake(), arrival("a", 0), arrival("a", 1))
    batch = await taken.take()
    assert taken.held == {("a", 0), ("a", 1)}
    taken.done(batch)
    assert taken.held == {("a", 1)}


async def test_a_closed_intake_gives_back_what_waits_and_wakes_its_slots():
    """And requeues what comes afterwards."""
    taken = intake()
    slot = asyncio.create_task(taken.take())
    await asyncio.sleep(0)
    assert await taken.close() == []
    with pytest.raises(IntakeClosedError):
        await slot
    late = arrival("a", 0)
    await taken.put(late)
    assert late.delivery.settled == ["requeue"]
