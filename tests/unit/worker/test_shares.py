"""How a file's end is shared."""

from statistics import fmean

import pytest

from worker.shares import Share, UnderWay, fair_share, fitting, in_hand


@pytest.mark.parametrize(
    ("left", "busy", "share"),
    [
        (100, [0], 4),
        (11, [0], 4),
        (10, [0], 5),
        (9, [0], 5),
        (1, [0], 1),
        (4, [5], 4),  # the other has enough to do: no crumbs
        (9, [0.7], 5),
        (5, [4.3], 5),
        (10, [], 4),
        (6, [], 4),
        (5, [], 5),
        (16, [0, 0, 0], 4),
        (6, [4, 4, 0], 3),
        (0.3, [0], 1),
    ],
)
def test_all_slots_end_together(left: float, busy: list[float], share: int) -> None:
    """Batches of four; five where that spares a crumb."""
    assert fair_share(left, busy, 4).windows == share


@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("windows", range(1, 60))
def test_nobody_is_left_waiting_for_long(slots: int, windows: int) -> None:
    """Slots that take turns by it end within a window of what a perfect division would take."""
    ends, left = [0.0] * slots, windows
    while left:
        slot = ends.index(min(ends))
        others = [max(0.0, end - ends[slot]) for at, end in enumerate(ends) if at != slot]
        taken = min(left, fair_share(left, others, 4).windows)
        ends[slot] += taken
        left -= taken
    assert max(ends) <= windows / slots + 1


def test_what_is_under_way_is_known_by_the_time_that_windows_take() -> None:
    """Two seconds a window: after three seconds a batch of four has two and a half to go."""
    now = [0.0]
    under_way = UnderWay(3, clock=lambda: now[0])
    under_way.begin("a", 4)
    assert under_way.others() == [4.0, 0.0]
    under_way.end("a")
    under_way.note(4, 8.0)
    under_way.begin("b", 4)
    now[0] = 3.0
    assert under_way.others() == [2.5, 0.0]
    now[0] = 99.0
    assert under_way.others() == [0.0, 0.0]


def test_it_is_known_how_long_slots_were_free() -> None:
    """All of them together: three for one second, two for two, one for four, three for one."""
    now = [5.0]
    under_way = UnderWay(3, clock=lambda: now[0])
    for seconds, change in [
        (1.0, lambda: under_way.begin("a", 4)),
        (2.0, lambda: under_way.begin("b", 4)),
        (4.0, lambda: (under_way.end("a"), under_way.end("b"))),
        (1.0, lambda: None),
    ]:
        now[0] += seconds
        change()
    assert under_way.idle_seconds == 3 * 1.0 + 2 * 2.0 + 1 * 4.0 + 3 * 1.0


@pytest.mark.parametrize(("slots", "batch", "windows"), [(2, 8, 28), (2, 10, 30), (1, 1, 2), (4, 4, 24), (2, 16, 48)])
def test_a_worker_has_room_for_the_largest_batches_and_the_next(slots: int, batch: int, windows: int) -> None:
    """In each slot one that is larger by a quarter, of ten at most unless more is usual, and a usual one that waits."""
    assert in_hand(slots, batch) == windows


def test_a_single_slot_has_no_others() -> None:
    """Whatever it is busy with."""
    under_way = UnderWay(1)
    under_way.begin("a", 4)
    assert under_way.others() == []


def at_pace(seconds: float, *, slots: int) -> tuple[UnderWay, list[float]]:
    """Where a window takes so long; and what its clock shows."""
    now = [0.0]
    under_way = UnderWay(slots, clock=lambda: now[0])
    under_way.note(1, seconds)
    return under_way, now


def test_a_batch_that_grows_counts_with_all_that_is_in_it() -> None:
    """Since its begin; and its own slot is none of the others."""
    under_way, now = at_pace(2.0, slots=2)
    under_way.begin("a", 1)
    under_way.begin("b", 3)
    now[0] = 1.0
    under_way.grow("a", 4)
    assert under_way.others("a") == [2.5]
    assert under_way.others("b") == [4.5]


def test_a_batch_lacks_what_makes_all_end_together() -> None:
    """It has one of two windows to do, the other slot nothing: of seven more the other is to have four."""
    under_way, now = at_pace(2.0, slots=2)
    under_way.begin("a", 2)
    now[0] = 2.0
    assert [under_way.lacks("a", left, 8).windows for left in (7.0, 0.0, 99.0)] == [3, 0, 7]
    assert under_way.lacks("gone", 7.0, 8).windows == 0


def test_where_nothing_is_left_nothing_is_lacking() -> None:
    """Though the batch is nearly done: what it lacks would never come."""
    under_way, now = at_pace(1.0, slots=1)
    under_way.begin("a", 1)
    now[0] = 0.9
    assert [under_way.lacks("a", left, 8).windows for left in (0.0, 0.5, 1.0)] == [0, 1, 1]


def test_a_batch_is_no_further_for_having_waited() -> None:
    """Two windows of two seconds each, of three seconds two spent waiting: one and a half are left to do."""
    under_way, now = at_pace(2.0, slots=2)
    under_way.begin("a", 2)
    now[0] = 3.0
    under_way.waited("a", 2.0)
    under_way.grow("a", 1)
    assert under_way.others() == [2.5]


def test_what_a_batch_lacks_is_told_to_the_second() -> None:
    """One and a half windows of it are left, the other slot is free: of eight more each would end with 4.75."""
    under_way, now = at_pace(2.0, slots=2)
    under_way.begin("a", 2)
    now[0] = 1.0
    assert under_way.lacks("a", 8.0, 8) == Share(3, 3.25)
    assert under_way.lacks("a", 99.0, 8).exact is None


@pytest.mark.parametrize(
    ("lengths", "share", "taken"),
    [
        ([25, 25, 25, 25], Share(2, 2.0), [0, 1]),
        ([25, 25, 25, 25], Share(2, 2.4), [0, 1]),  # none is longer
        ([20, 20, 28, 28], Share(2, 2.0), [0, 2]),
        ([20, 20, 28, 28], Share(2, 2.3), [2, 3]),
        ([20, 20, 28, 28], Share(2, 1.7), [0, 1]),
        ([28, 24, 20], Share(1, 0.6), [2]),
        ([28, 24, 20], Share(2), [0, 1]),  # more is to come
        ([28, 24], Share(5, 5.3), [0, 1]),
        ([28, 24], Share(0, 0.2), []),
        ([], Share(3, 3.0), []),
    ],
)
def test_a_slot_takes_the_windows_that_fit_its_share(lengths: list[float], share: Share, taken: list[int]) -> None:
    """The first ones, where others would not bring it nearer."""
    assert fitting([length / fmean(lengths) for length in lengths], share) == taken


@pytest.mark.parametrize("ahead", [0.0, 0.2, 0.4, 0.8])
def test_slots_end_together_to_the_second(ahead: float) -> None:
    """The last eight windows of a file for two slots, one of which is free by a part of a window before the other."""
    lengths = [24.0, 27.9, 25.5, 14.0, 28.8, 25.0, 27.0, 21.3]
    usual = fmean(lengths)
    share = fair_share(8, [ahead], 8)
    taken = sum(lengths[place] for place in fitting([length / usual for length in lengths], share))
    assert abs(taken - (sum(lengths) - taken + ahead * usual)) < 1.5  # seconds of audio
