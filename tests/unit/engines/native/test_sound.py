"""Where keys and values of what is heard are kept."""

import mmap
from typing import Any

import numpy as np
import pytest

from core.engines.memory import is_exhausted
from core.engines.native import sound as module
from core.engines.native.sound import AROUND, new_sound
from core.kernels.simd import TILE


@pytest.mark.parametrize("frames", [1500, 1536, 10])
def test_places_that_no_frame_has_stand_for_nothing(frames: int) -> None:
    """Unsigned bytes stand around 128: elsewhere they are written before they are read."""
    sound = new_sound(2, 3, 4, frames)
    last = sound.keys[:, :, :, -1]  # (windows, layers, heads, groups, places, 4)
    begun = frames % TILE or TILE
    assert (last[..., begun:, :] == AROUND).all()
    assert not sound.values.any()
    assert sound.keys.flags.c_contiguous
    assert sound.keys.flags.writeable
    assert sound.frames.tolist() == [frames, frames]


def test_it_is_no_part_of_the_heap() -> None:
    """Its pages go back to the system when nobody has it any more."""
    keys = new_sound(1, 1, 1, TILE).keys
    owner: Any = keys
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)


def test_where_there_is_no_memory_smaller_batches_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal is told as Python tells its own."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(module.mmap, "mmap", refuse)
    with pytest.raises(MemoryError) as caught:
        new_sound(1, 1, 1, TILE)
    assert is_exhausted(caught.value)
