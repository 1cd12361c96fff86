"""Room that is taken once."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.engines.native import desk as module
from core.engines.native.desk import Desk

LAYERS, WIDTH = 2, 128


@pytest.fixture
def desk() -> Desk:
    """Of a model of which nothing but the shapes is asked for."""
    scale = SimpleNamespace(scale=np.zeros((LAYERS, WIDTH), np.float32))
    model: Any = SimpleNamespace(own_norm=scale, up=scale, words=scale, positions=np.zeros((40, WIDTH), np.float32))
    return Desk(model)


def test_room_for_texts_is_for_the_longest_and_the_most_that_were_asked_for(desk: Desk) -> None:
    """It does not move while texts are written; fewer of them use the same."""
    memory = desk.memory(40, 4)
    assert memory.values.shape == (LAYERS, 40, 4, 2, WIDTH)
    assert desk.memory(30, 1) is memory
    assert desk.memory(41, 1).values.shape[1:3] == (41, 4)
    assert desk.memory(2, 5).values.shape[1:3] == (41, 5)


def test_what_is_too_small_goes_before_its_successor_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never both at once; and where there is no room for it, fewer find room again."""
    desk.memory(40, 2)
    new = module.new_memory

    def scarce(layers: int, positions: int, slots: int, width: int) -> Any:
        assert desk._memory is None
        if slots > 2:
            raise MemoryError
        return new(layers, positions, slots, width)

    monkeypatch.setattr(module, "new_memory", scarce)
    with pytest.raises(MemoryError):
        desk.memory(40, 3)
    assert desk.memory(40, 2).values.shape[1:3] == (40, 2)


def test_a_bench_for_which_there_was_no_memory_is_not_taken_for_granted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels do not look where an array ends."""
    desk.reserve(2, 40)
    new = module.new_bench

    def scarce(rows: int, *shape: int) -> Any:
        if rows > 4:
            raise MemoryError
        return new(rows, *shape)

    monkeypatch.setattr(module, "new_bench", scarce)
    with pytest.raises(MemoryError):
        desk.reserve(8, 40)
    desk.reserve(4, 40)
    assert len(desk.bench.x) == 4
