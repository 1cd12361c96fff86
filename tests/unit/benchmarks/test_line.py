"""Windows are taken as a worker's slots take them."""

import threading

import numpy as np

from benchmarks.line import Line


def filled(line: Line, count: int) -> Line:
    """With so many windows, each its number."""
    for number in range(count):
        line.put(np.full(1, number, dtype=np.int16))
    return line


def test_batches_are_full_until_the_end_and_then_shared():
    """Nine windows on two slots are five and four at the end, not eight and one; a single slot takes them together."""
    line = filled(Line(batch=8, slots=2, linger_seconds=0.0), 17)
    sizes = [len(line.take())]
    line.end()
    sizes += [len(batch) for batch in iter(line.take, [])]
    assert sizes[:2] == [8, 5]
    assert sum(sizes) == 17


def test_windows_come_in_order_and_each_once():
    """Over batches."""
    line = filled(Line(batch=4, slots=2), 10)
    line.end()
    assert [int(pcm[0]) for batch in iter(line.take, []) for _, pcm in batch] == list(range(10))


def test_a_batch_waits_a_moment_for_what_is_still_to_come():
    """And goes as it is after that."""
    line, taken = filled(Line(batch=3, slots=1, linger_seconds=5.0), 1), []
    slot = threading.Thread(target=lambda: taken.append(line.take()))
    slot.start()
    filled(line, 2)
    slot.join(timeout=10)
    assert len(taken[0]) == 3
    assert len(filled(Line(batch=3, slots=1, linger_seconds=0.01), 1).take()) == 1


def test_a_slot_waits_for_a_window_and_not_for_ever():
    """The end wakes who waits."""
    line = Line(batch=8, slots=1)
    taken: list[list[object]] = []
    slot = threading.Thread(target=lambda: taken.append(line.take()))
    slot.start()
    line.end()
    slot.join(timeout=10)
    assert taken == [[]]


def test_what_others_take_away_meanwhile_is_no_end():
    """Two wait for a window to become a batch; one of them has it, and the other goes on waiting."""
    line, taken = filled(Line(batch=3, slots=2, linger_seconds=0.05), 1), []
    slots = [threading.Thread(target=lambda: taken.append(len(line.take()))) for _ in range(2)]
    for slot in slots:
        slot.start()
    slots[0].join(timeout=0.5)
    filled(line, 2)
    for slot in slots:
        slot.join(timeout=10)
    assert sorted(taken) == [1, 2]
