"""Frames of any shape to one."""

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from core.audio.resample import Resampler

RATE = 16_000


def frames(
    samples: NDArray[np.generic], *, kind: str, layout: str, rate: int, size: int = 1_000
) -> list[av.AudioFrame]:
    """``samples``, shape (planes, length), in frames of ``size``."""
    cut = [samples[:, start : start + size] for start in range(0, samples.shape[1], size)]
    made = [av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format=kind, layout=layout) for part in cut]
    for frame in made:
        frame.sample_rate = rate
    return made


def through(resampler: Resampler, given: list[av.AudioFrame]) -> NDArray[np.int16]:
    """All that comes out."""
    pieces = [piece for frame in given for piece in resampler.feed(frame)]
    return np.frombuffer(b"".join([*pieces, *resampler.flush()]), np.int16)


def tone(seconds: float, rate: int) -> NDArray[np.float32]:
    """440 Hz, half of full scale."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("kind", ["s16", "s16p"])
def test_what_is_wanted_already_comes_out_as_it_is(kind: str) -> None:
    """To the last bit, at once, and without a graph."""
    samples = (tone(1.03, RATE) * 32768).astype(np.int16)[None]
    resampler = Resampler(RATE)
    first, *rest = frames(samples, kind=kind, layout="mono", rate=RATE)
    assert b"".join(resampler.feed(first)) == samples[0, :1_000].tobytes()
    np.testing.assert_array_equal(through(resampler, rest), samples[0, 1_000:])


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_rates_are_resampled_whole(rate: int) -> None:
    """As long as before, as loud as before; what was held back comes with the last of it."""
    given = frames(tone(2.0, rate)[None], kind="fltp", layout="mono", rate=rate)
    found = through(Resampler(RATE), given).astype(np.float64) / 32768
    assert len(found) == pytest.approx(2 * RATE, abs=20)
    middle = slice(RATE // 2, 3 * RATE // 2)
    assert np.sqrt(np.mean(found[middle] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_not_much_is_held_back() -> None:
    """Four seconds, fed in small frames: all but about half a second has come out before the end."""
    resampler = Resampler(RATE)
    given = frames(tone(4.0, 44_100)[None], kind="fltp", layout="mono", rate=44_100)
    come = sum(len(piece) // 2 for frame in given for piece in resampler.feed(frame))
    assert come > 3.2 * RATE


def test_a_change_of_shape_loses_nothing() -> None:
    """Stereo in the middle, then what needs no graph."""
    parts = [
        frames(tone(1.0, 44_100)[None], kind="fltp", layout="mono", rate=44_100),
        frames(np.stack([tone(1.0, 48_000)] * 2), kind="fltp", layout="stereo", rate=48_000),
        frames((tone(1.0, RATE) * 32768).astype(np.int16)[None], kind="s16", layout="mono", rate=RATE),
    ]
    assert len(through(Resampler(RATE), [frame for part in parts for frame in part])) == pytest.approx(3 * RATE, abs=60)
