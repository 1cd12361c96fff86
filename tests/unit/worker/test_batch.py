"""A batch that grows while the engine hears what it has."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from operator import length_hint

import numpy as np
import pytest

from core.models import Options, Window
from worker import batch as module
from worker.batch import Batch, Work

ENGLISH = Options(model="base", language="en")


def work(*numbers: int) -> list[Work]:
    """Windows of one sample each."""
    return [(None, None, Window(pcm=np.full(1, number, np.int16))) for number in numbers]  # type: ignore[misc]


def batch_of(*numbers: int, most: int = 0) -> Batch:
    """With these windows."""
    return Batch(work(*numbers), options=ENGLISH, most=most)


def number(window: Window) -> int:
    """Which one it is."""
    return int(window.pcm[0])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for more does not wait for it."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for more waits longer than any test."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 60.0)


def test_a_full_batch_is_closed_from_the_beginning() -> None:
    """No one waits for more of it."""
    batch = batch_of(1, 2)
    assert (batch.missing, length_hint(batch)) == (0, 2)
    began = time.monotonic()
    assert [number(window) for window in batch] == [1, 2]
    assert time.monotonic() - began < module.PATIENCE_SECONDS


@pytest.mark.usefixtures("patient")
def test_who_asks_for_a_window_waits_until_it_is_there() -> None:
    """And has it at once then."""
    batch = batch_of(1, most=3)
    assert length_hint(batch) == 3
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: [number(window) for window in batch])
        for one in (2, 3):
            with batch.expecting() as room:
                assert room == 4 - one
                batch.add(work(one))
        assert found.result(timeout=30) == [1, 2, 3]
    assert batch.missing == 0


@pytest.mark.usefixtures("patient")
def test_a_closed_batch_ends() -> None:
    """Whoever waits for more of it hears so; nothing is to be added any more."""
    batch = batch_of(1, most=3)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: [number(window) for window in batch])
        batch.close()
        assert found.result(timeout=30) == [1]
    with batch.expecting() as room:
        assert room == 0
    assert length_hint(batch) == 0


@pytest.mark.usefixtures("impatient")
def test_who_finds_nothing_has_closed_the_batch() -> None:
    """So nothing is added of which nobody would hear."""
    batch = batch_of(1, most=3)
    assert [number(window) for window in batch] == [1]
    assert batch.missing == 0


@pytest.mark.usefixtures("impatient")
def test_what_is_being_claimed_is_waited_for() -> None:
    """Also by the impatient: it is theirs already. If nothing comes of it the batch ends."""
    batch, claimed = batch_of(1, most=3), threading.Event()
    with ThreadPoolExecutor(1) as pool, batch.expecting():
        assert batch.awaits_more
        found = pool.submit(lambda: claimed.set() or [number(window) for window in batch])
        assert claimed.wait(30)
        time.sleep(0.05)
        assert not found.done()
        batch.add(work(2))
    assert found.result(timeout=30) == [1, 2]
    assert not batch.awaits_more


def test_it_is_hungry_once_the_last_window_is_being_heard() -> None:
    """Before the engine asks for the next one there is that window's time to fetch it."""
    batch = batch_of(1, 2, most=3)
    found = []
    for _ in range(2):
        next(batch)
        found.append(batch.hungry)
    assert found == [False, True]
