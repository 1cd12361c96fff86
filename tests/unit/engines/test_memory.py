"""Batches that do not fit into memory."""

from collections.abc import Sequence

import pytest

from core.engines.memory import Halving
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

    def work(self, items: Sequence[int]) -> list[int]:
        """Twice each."""
        self.tried.append(len(items))
        if len(items) > self.room:
            raise self.refusal
        return [2 * item for item in items]


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
