"""A batch that grows while the engine hears what it has."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from operator import length_hint

import numpy as np
import pytest

from core.models import Options, Window
from worker.batch import Batch, Work

ENGLISH = Options(model="base", language="en")
Heard = Callable[[Batch], Future[list[int]]]


def work(*numbers: int) -> list[Work]:
    """Windows of one sample each."""
    return [(None, None, Window(pcm=np.full(1, number, np.int16))) for number in numbers]  # type: ignore[misc]


def batch_of(*numbers: int, most: int = 0) -> Batch:
    """With these windows."""
    return Batch(work(*numbers), options=ENGLISH, most=most)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listens to a batch on a thread; gives the windows by their numbers."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda batch: pool.submit(lambda: [int(window.pcm[0]) for window in batch])


def until(condition: Callable[[], bool]) -> None:
    """Wait for a thread."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_full_batch_is_closed_from_the_beginning(heard: Heard) -> None:
    """No one waits for more of it."""
    batch = batch_of(1, 2)
    assert (batch.missing, length_hint(batch)) == (0, 2)
    assert heard(batch).result(timeout=30) == [1, 2]


def test_who_asks_for_a_window_waits_until_it_is_there(heard: Heard) -> None:
    """And has it at once then."""
    batch = batch_of(1, most=3)
    assert length_hint(batch) == 3
    found = heard(batch)
    for one in (2, 3):
        until(lambda: batch.starving)
        batch.add(work(one))
    assert found.result(timeout=30) == [1, 2, 3]
    assert batch.missing == 0


def test_a_closed_batch_ends(heard: Heard) -> None:
    """Whoever waits for more of it hears so."""
    batch = batch_of(1, most=3)
    found = heard(batch)
    until(lambda: batch.starving)
    batch.close()
    assert found.result(timeout=30) == [1]
    assert (batch.missing, length_hint(batch)) == (0, 0)


def test_of_one_that_nobody_wants_no_more_is_waited_for(heard: Heard) -> None:
    """The engine is to look whether it is wanted, not to wait."""
    batch = batch_of(1, most=3)
    found = heard(batch)
    until(lambda: batch.starving)
    assert not batch.unwanted
    batch.abandon()
    assert found.result(timeout=30) == [1]
    assert batch.unwanted


def test_it_is_hungry_once_the_last_window_is_being_heard() -> None:
    """Before the engine asks for the next one there is that window's time to fetch it."""
    batch = batch_of(1, 2, most=3)
    found = []
    for _ in range(2):
        next(batch)
        found.append((batch.hungry, batch.starving))
    assert found == [(False, False), (True, False)]


def test_it_is_known_how_long_the_engine_has_waited(heard: Heard) -> None:
    """Also while it does; what is there is not waited for."""
    batch, began = batch_of(1, most=2), time.monotonic()
    found = heard(batch)
    until(lambda: batch.waited > 0.05)
    batch.add(work(2))
    assert found.result(timeout=30) == [1, 2]
    waited = batch.waited
    assert 0.05 < waited < time.monotonic() - began
    assert batch.waited == waited
