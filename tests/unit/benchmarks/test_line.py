"""Windows are taken as a worker's slots take them."""

import itertools
import threading

import numpy as np
import pytest

from benchmarks import line as module
from benchmarks.line import Line, Taken


def filled(line: Line, count: int) -> Line:
    """With so many windows, each its number."""
    for number in range(count):
        line.put(np.full(1, number, dtype=np.int16))
    return line


def heard(line: Line, taken: Taken | None) -> list[int]:
    """The numbers of a batch that is heard to its end."""
    assert taken is not None
    numbers = [int(window.pcm[0]) for window in taken]
    line.done(taken)
    return numbers


def batches(line: Line) -> list[list[int]]:
    """All that are left for one thread."""
    return [heard(line, taken) for taken in iter(line.take, None)]


def test_batches_are_full_until_the_end_and_then_shared():
    """Nine windows on two slots are five and four at the end, not eight and one; a single slot takes them together."""
    line = filled(Line(batch=8, slots=2), 40)
    assert [len(line.take().windows) for _ in range(2)] == [8, 8]
    line = filled(Line(batch=8, slots=2), 9)
    line.end()
    assert [len(line.take().windows) for _ in range(2)] == [5, 4]
    line = filled(Line(batch=8, slots=1), 9)
    line.end()
    assert [len(batch) for batch in batches(line)] == [9]


def test_windows_come_in_order_and_each_once():
    """Over batches."""
    line = filled(Line(batch=4, slots=2), 10)
    line.end()
    assert list(itertools.chain(*batches(line))) == list(range(10))


def test_a_batch_grows_while_it_is_heard():
    """Its first window goes alone; what comes meanwhile is of the same batch, while there is room."""
    line = filled(Line(batch=3, slots=1), 1)
    taken = line.take()
    found = [int(next(taken).pcm[0])]
    filled(line, 4)
    found += [int(window.pcm[0]) for window in taken]
    assert found == [0, 0, 1]


def test_an_end_that_is_known_is_shared():
    """Two slots have begun with one window each; of five more the one takes three and the other two."""
    line = Line(batch=8, slots=2)
    first, second = filled(line, 1).take(), filled(line, 1).take()
    next(first)
    filled(line, 5)
    line.end()
    next(first)
    assert len(first.windows) == 4
    assert len(heard(line, second)) == 3


def test_a_batch_that_waits_for_more_in_vain_goes_as_it_is(monkeypatch: pytest.MonkeyPatch):
    """After a moment."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    line = filled(Line(batch=3, slots=1), 1)
    assert heard(line, line.take()) == [0]


def test_a_slot_waits_for_a_window_and_not_for_ever():
    """The end wakes who waits."""
    line = Line(batch=8, slots=1)
    taken: list[object] = []
    slot = threading.Thread(target=lambda: taken.append(line.take()))
    slot.start()
    line.end()
    slot.join(timeout=10)
    assert taken == [None]
