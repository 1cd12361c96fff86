"""Room that is taken once."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.engines.native import desk as module
from core.engines.native.desk import Desk

LAYERS, WIDTH, FRAMES, POSITIONS = 2, 128, 70, 40


@pytest.fixture
def desk() -> Desk:
    """Of a model of which nothing but the shapes is asked for."""
    scale = SimpleNamespace(scale=np.zeros((LAYERS, WIDTH), np.float32))
    model: Any = SimpleNamespace(own_norm=scale, up=scale, words=scale, positions=np.zeros((POSITIONS, WIDTH)))
    return Desk(model)


def test_what_is_heard_is_kept_in_the_same_place_for_every_batch(desk: Desk) -> None:
    """A smaller batch uses its beginning, and all of its frames count again."""
    whole = desk.sound(3, FRAMES)
    whole.frames[:] = 1
    some = desk.sound(2, FRAMES)
    assert np.shares_memory(whole.keys, some.keys)
    assert np.shares_memory(whole.values, some.values)
    assert some.keys.shape[:3] == (2, LAYERS, WIDTH // 64)
    assert some.keys.flags.c_contiguous
    assert some.frames.tolist() == [FRAMES] * 2
    assert len(desk.sound(3, FRAMES).frames) == 3


def test_a_larger_batch_gets_room_of_its_own_after_the_smaller_one_s_is_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never both at once; and where there is none for it, a smaller one finds room again."""
    desk.sound(1, FRAMES)
    new = module.new_sound

    def scarce(windows: int, *shape: int) -> Any:
        assert desk._sound is None
        if windows > 2:
            raise MemoryError
        return new(windows, *shape)

    monkeypatch.setattr(module, "new_sound", scarce)
    with pytest.raises(MemoryError):
        desk.sound(3, FRAMES)
    assert len(desk.sound(2, FRAMES).frames) == 2


def test_there_is_room_for_the_longest_text_from_the_beginning(desk: Desk) -> None:
    """It does not move while texts grow; fewer of them use the same."""
    memory = desk.memory(4)
    assert memory.values.shape == (LAYERS, POSITIONS, 4, 2, WIDTH)
    assert desk.memory(1) is memory
    assert desk.memory(5).values.shape[2] == 5
