"""When a batch takes more, and how many."""

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.models import Options, Window
from worker import growing as module
from worker.batch import Batch
from worker.growing import grow

ENGLISH = Options(model="base", language="en")
WINDOW = Window(pcm=np.zeros(1, np.int16))


class Waiting:
    """An intake of which ``count`` arrivals wait; ``lacking``: what is answered, one after the other."""

    def __init__(self, count: int, *lacking: int | None) -> None:
        self.count, self.lacking = count, list(lacking)
        self.asked = 0

    async def lacks(self, hand: Any) -> int | None:
        """The next answer; the last one stays."""
        self.asked += 1
        return self.lacking.pop(0) if len(self.lacking) > 1 else self.lacking[0]

    def add(self, hand: Any, most: int) -> list[int]:
        """As many as there are."""
        taken = min(most, self.count)
        self.count -= taken
        return [0] * taken


async def bring(arrivals: list[Any]) -> list[Any]:
    """All of them can be claimed."""
    return [(None, None, WINDOW) for _ in arrivals]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting, but for a moment in which others have their turn."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.0)


async def grown(batch: Batch, intake: Waiting) -> int:
    """How many windows it has at the end."""
    hand: Any = SimpleNamespace()
    await asyncio.wait_for(grow(batch, hand, intake, bring), 30)  # type: ignore[arg-type]
    return len(batch.work)


def batch_of_one(*, heard: bool = True) -> Batch:
    """Of eight that it may become; ``heard``: the engine is at it."""
    batch = Batch([(None, None, WINDOW)], options=ENGLISH, most=8)  # type: ignore[list-item]
    if heard:
        next(batch)
    return batch


async def test_it_grows_to_its_share_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the file is known: three more are its own, and then none. That need not wait for the engine."""
    monkeypatch.setattr(module, "LINGER_SECONDS", 60.0)
    batch = batch_of_one(heard=False)
    assert await grown(batch, Waiting(5, 3, 0)) == 4
    assert batch.missing == 0


async def test_while_more_is_to_come_it_grows_to_a_full_batch() -> None:
    """It takes what is there, and the rest when that has come."""
    intake = Waiting(3, None)
    growing = asyncio.create_task(grown(batch := batch_of_one(), intake))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(batch.work) == 4
    for _ in range(3):
        next(batch)
    intake.count = 50
    assert await asyncio.wait_for(growing, 30) == 8
    assert intake.count == 46


async def test_it_takes_nothing_before_the_engine_needs_it() -> None:
    """Another slot could begin with it; and nobody is asked what is left meanwhile."""
    intake = Waiting(9, None)
    growing = asyncio.create_task(grown(batch := batch_of_one(heard=False), intake))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(batch.work), intake.asked) == (1, 0)
    next(batch)
    assert await asyncio.wait_for(growing, 30) == 8


async def test_in_the_first_moment_only_a_known_share_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nine windows is cut soon: taking eight of them would leave one for the other slot."""
    monkeypatch.setattr(module, "LINGER_SECONDS", 60.0)
    intake = Waiting(7, None, None, 3, 0)
    assert await grown(batch_of_one(), intake) == 4
    assert (intake.asked, intake.count) == (4, 4)


async def test_a_batch_that_the_engine_has_ended_takes_nothing() -> None:
    """It was closed while it was asked what is left."""
    batch = batch_of_one()

    class Late(Waiting):
        async def lacks(self, hand: Any) -> int | None:
            batch.close()
            return await super().lacks(hand)

    assert await grown(batch, intake := Late(5, 3)) == 1
    assert intake.count == 5
