"""When a batch takes more, and how many."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.models import Options, Window
from worker import growing as module
from worker.batch import Batch
from worker.growing import _pause, grow
from worker.intake import Hand

ENGLISH = Options(model="base", language="en")
WINDOW = Window(pcm=np.zeros(1, np.int16))


class Waiting:
    """An intake of which ``count`` arrivals wait; ``lacking``: what is answered, one after the other."""

    def __init__(self, count: int, *lacking: int | None, seconds: float = 0.0) -> None:
        self.count, self.lacking = count, list(lacking)
        self.seconds = seconds  # that an answer takes
        self.asked, self.waited = 0, 0.0

    async def lacks(self, hand: Any, waited: float) -> int | None:
        """The next answer; the last one stays."""
        self.asked += 1
        self.waited = waited
        await asyncio.sleep(self.seconds)
        return self.lacking.pop(0) if len(self.lacking) > 1 else self.lacking[0]

    def add(self, hand: Any, most: int) -> list[int]:
        """As many as there are."""
        taken = min(most, self.count)
        self.count -= taken
        return [0] * taken


async def bring(arrivals: list[Any]) -> list[Any]:
    """All of them can be claimed."""
    return [(None, None, WINDOW) for _ in arrivals]


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting, but for a moment in which others have their turn."""
    for name in ("LOOK_SECONDS", "LINGER_SECONDS", "PATIENCE_SECONDS"):
        monkeypatch.setattr(module, name, 0.0)


async def grown(batch: Batch, intake: Waiting) -> int:
    """How many windows it has at the end."""
    hand = Hand(arrivals=[], usual=8, most=10)
    await asyncio.wait_for(grow(batch, hand, intake, bring), 30)  # type: ignore[arg-type]
    return len(batch.work)


def batch_of_one(*, heard: bool = True) -> Batch:
    """Of ten that it may become; ``heard``: the engine is at it."""
    batch = Batch([(None, None, WINDOW)], options=ENGLISH, most=10)  # type: ignore[list-item]
    if heard:
        next(batch)
    return batch


@pytest.mark.usefixtures("quickly")
async def test_it_grows_to_its_share_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the file is known: three more are its own, and then none. That need not wait for the engine."""
    monkeypatch.setattr(module, "LINGER_SECONDS", 60.0)
    batch = batch_of_one(heard=False)
    assert await grown(batch, Waiting(5, 3)) == 4
    assert batch.missing == 0


@pytest.mark.usefixtures("quickly")
async def test_its_share_may_be_more_than_the_usual_size() -> None:
    """Nine windows for one slot: eight would leave a crumb."""
    batch = batch_of_one()
    hearing = asyncio.create_task(asyncio.to_thread(lambda: len(list(batch))))
    assert await grown(batch, Waiting(8, 8)) == 9
    assert await hearing == 8


@pytest.mark.usefixtures("quickly")
async def test_while_more_is_to_come_it_grows_to_a_full_batch() -> None:
    """It takes what is there, and the rest when that has come; then it looks no more."""
    intake = Waiting(3, None)
    growing = asyncio.create_task(grown(batch := batch_of_one(), intake))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(batch.work) == 4
    for _ in range(3):
        next(batch)
    intake.count = 50
    assert await growing == 8
    assert (intake.count, batch.missing) == (46, 0)


@pytest.mark.usefixtures("quickly")
async def test_it_takes_nothing_before_the_engine_needs_it() -> None:
    """Another slot could begin with it; and nobody is asked what is left meanwhile."""
    intake = Waiting(9, None)
    growing = asyncio.create_task(grown(batch := batch_of_one(heard=False), intake))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(batch.work), intake.asked) == (1, 0)
    next(batch)
    assert await growing == 8


@pytest.mark.usefixtures("quickly")
async def test_in_the_first_moment_only_a_known_share_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nine windows is cut soon: taking eight of them would leave one for the other slot."""
    monkeypatch.setattr(module, "LINGER_SECONDS", 60.0)
    intake = Waiting(7, None, None, 3)
    assert await grown(batch_of_one(), intake) == 4
    assert (intake.asked, intake.count) == (3, 4)


@pytest.mark.usefixtures("quickly")
@pytest.mark.usefixtures("quickly")
async def test_where_nothing_is_lacking_it_is_closed() -> None:
    """Others take what is left."""
    assert await grown(batch_of_one(), intake := Waiting(5, 0)) == 1
    assert intake.count == 5


@pytest.mark.usefixtures("quickly")
async def test_what_has_not_arrived_yet_is_looked_for_again() -> None:
    """Its share is known, and part of it is still on its way."""
    intake = Waiting(1, 3, 2)
    growing = asyncio.create_task(grown(batch := batch_of_one(), intake))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(batch.work) == 2
    intake.count = 9
    next(batch)
    assert await growing == 4


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("end", [Batch.close, Batch.abandon])
async def test_a_batch_that_has_ended_takes_nothing(end: Callable[[Batch], None]) -> None:
    """By the engine, or because nobody wants it, while it was asked what is left."""
    batch = batch_of_one()

    class Late(Waiting):
        async def lacks(self, hand: Any, waited: float) -> int | None:
            end(batch)
            return await super().lacks(hand, waited)

    assert await grown(batch, intake := Late(5, 3)) == 1
    assert intake.count == 5


@pytest.mark.parametrize("end", [Batch.close, Batch.abandon])
async def test_for_a_batch_that_has_ended_between_two_looks_nobody_is_asked(end: Callable[[Batch], None]) -> None:
    """Its slot may have gone on, and the intake knows it no more."""
    growing = asyncio.create_task(grown(batch := batch_of_one(), intake := Waiting(5, 3)))
    await asyncio.sleep(0.02)
    end(batch)
    assert await growing == 1
    assert intake.asked == 0


@pytest.mark.parametrize("seconds", [0.0, 0.012, 0.06])
async def test_however_long_a_question_takes_the_engine_gets_what_is_there(seconds: float) -> None:
    """It has heard its only window long ago, and must not give up while somebody looks."""
    batch = batch_of_one()
    hearing = asyncio.create_task(asyncio.to_thread(lambda: len(list(batch))))
    assert await grown(batch, Waiting(7, None, None, 7, seconds=seconds)) == 8
    assert await hearing == 7


def test_the_first_look_that_may_take_what_there_is_comes_as_soon_as_it_may() -> None:
    """Not up to one pause later: the engine may be waiting."""
    assert [_pause(age) for age in (0.0, 0.22, 0.25, 9.0)] == pytest.approx([0.08, 0.03, 0.08, 0.08])


async def test_an_engine_that_waits_in_vain_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.01)
    batch = batch_of_one()
    hearing = asyncio.create_task(asyncio.to_thread(lambda: len(list(batch))))
    assert await grown(batch, intake := Waiting(0, None)) == 1
    assert await hearing == 0
    assert 0 < intake.waited < batch.waited


async def test_while_windows_come_an_engine_that_waits_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at each look, although its patience is over."""
    for name in ("LOOK_SECONDS", "LINGER_SECONDS", "PATIENCE_SECONDS"):
        monkeypatch.setattr(module, name, 0.0)

    class Coming(Waiting):
        async def lacks(self, hand: Any, waited: float) -> int | None:
            while not batch.starving:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.001)
            self.count = 1

    batch = batch_of_one()
    hearing = asyncio.create_task(asyncio.to_thread(lambda: len(list(batch))))
    assert await grown(batch, Coming(0)) == 8
    assert await hearing == 7


@pytest.mark.usefixtures("quickly")
async def test_for_a_batch_that_nobody_wants_nothing_is_taken() -> None:
    """Nor is anybody asked."""
    batch = batch_of_one()
    batch.abandon()
    assert await grown(batch, intake := Waiting(5, 3)) == 1
    assert (intake.asked, batch.missing) == (0, 0)


async def test_a_batch_that_cannot_grow_is_closed() -> None:
    """Or the engine would wait for ever."""

    class Broken(Waiting):
        async def lacks(self, hand: Any, waited: float) -> int | None:
            raise RuntimeError("not foreseen")

    batch = batch_of_one()
    with pytest.raises(RuntimeError):
        await grown(batch, Broken(5, 3))
    assert batch.missing == 0
