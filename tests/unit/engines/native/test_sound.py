"""Where keys and values of what is heard are kept."""

import pytest

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
