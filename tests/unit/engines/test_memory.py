"""Batches that do not fit into memory."""

from collections.abc import Iterator

import pytest

from core.engines.memory import Halving, Part
from core.errors import EngineMemoryError

REFUSALS = [
    RuntimeError("CUDA failed with error out of memory"),
    RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
    RuntimeError("std::bad_alloc"),
    MemoryError(),
]


class Device:
    """Takes so many at once."""

    def __init__(self, room: int, refusal: Exception) -> None:
        self.room, self.refusal = room, refusal
        self.tried: list[int] = []

    def work(self, part: Part[int]) -> list[int]:
        """Twice each."""
        items = list(part)
        assert items == part.taken
        self.tried.append(len(items))
        if len(items) > self.room:
            raise self.refusal
        return [2 * item for item in items]


class Coming(Iterator[int]):
    """So many come, of ``most`` that may."""

    def __init__(self, count: int, most: int) -> None:
        self.left, self.most = iter(range(count)), most

    def __next__(self) -> int:
        self.most -= 1
        return next(self.left)

    def __length_hint__(self) -> int:
        return self.most


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal)[:20] or "MemoryError")
def test_what_does_not_fit_is_done_in_halves(refusal: Exception) -> None:
    """In order, and none is done twice."""
    device = Device(3, refusal)
    assert Halving().run(device.work, range(9)) == [2 * item for item in range(9)]
    assert device.tried == [9, 4, 2, 2, 2, 2, 1]


def test_a_size_that_failed_is_not_tried_again() -> None:
    """Each failure costs what was computed until then."""
    device, halving = Device(4, REFUSALS[0]), Halving()
    halving.run(device.work, range(8))
    device.tried.clear()
    halving.run(device.work, range(8))
    assert device.tried == [4, 4]


def test_what_another_slot_has_found_meanwhile_stays() -> None:
    """The one that fails later knows no better."""
    halving, device = Halving(), Device(2, REFUSALS[0])

    def work(part: Part[int]) -> list[int]:
        if len(device.tried) == 0:
            halving.run(device.work, range(8))
        return device.work(part)

    halving.run(work, range(16))
    assert device.tried == [8, 4, 2, 2, 2, 2, 16, *[2] * 8]


def test_one_that_does_not_fit_alone_is_told_of() -> None:
    """With what to do."""
    with pytest.raises(EngineMemoryError, match=r"smaller model, or DEVICE=cpu") as caught:
        Halving().run(Device(0, REFUSALS[0]).work, range(4))
    assert caught.value.code == "engine_out_of_memory"


def test_other_errors_are_none_of_its_business() -> None:
    """They come at once, and batches stay as they are."""
    device = Device(0, RuntimeError("invalid device ordinal"))
    with pytest.raises(RuntimeError, match="ordinal"):
        Halving().run(device.work, range(4))
    assert device.tried == [4]


def test_nothing_needs_no_device() -> None:
    """A batch of silence."""
    assert Halving().run(Device(0, REFUSALS[0]).work, []) == []


def test_each_is_asked_for_when_it_is_needed() -> None:
    """The second comes after the first was taken, so it may not be known yet when the work begins."""
    log: list[str] = []

    def coming() -> Iterator[int]:
        for item in range(3):
            log.append(f"come {item}")
            yield item

    def work(part: Part[int]) -> list[int]:
        return [log.append(f"take {item}") or item for item in part]  # type: ignore[func-returns-value]

    assert Halving().run(work, coming()) == [0, 1, 2]
    assert log == [f"{what} {item}" for item in range(3) for what in ("come", "take")]


def test_fewer_may_come_than_there_is_room_for() -> None:
    """The room is known before. Halved is what was taken: to take as many again would end as it did."""
    device, rooms = Device(2, REFUSALS[0]), list[int]()

    def work(part: Part[int]) -> list[int]:
        rooms.append(part.room)
        return device.work(part)

    assert Halving().run(work, Coming(3, most=8)) == [0, 2, 4]
    assert rooms == [8, 1, 1, 1]
    assert device.tried == [3, 1, 1, 1]


def test_one_that_came_alone_is_tried_once_more() -> None:
    """Without room for those that might have come with it."""
    device = Device(0, REFUSALS[0])
    with pytest.raises(EngineMemoryError):
        Halving().run(device.work, Coming(1, most=8))
    assert device.tried == [1, 1]


def test_work_that_takes_nothing_is_not_asked_for_ever() -> None:
    """That is a mistake of the engine's, and is told as such."""
    with pytest.raises(AssertionError, match="left all of its part"):
        Halving().run(lambda _: [], [1])


def test_no_room_at_all_is_told_of_before_anything_comes() -> None:
    """Nothing was taken by then, and nothing is lost."""

    def refuse(part: Part[int]) -> list[int]:
        if part.room > 1:
            raise MemoryError
        return list(part)

    assert Halving().run(refuse, Coming(3, most=8)) == [0, 1, 2]
