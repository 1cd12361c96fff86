"""Whisper's encoder in 8 bits, made of the decoder's kernels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config import usable_cores
from core.engines.ct2_file import Weights
from core.engines.features import Spectrogram
from core.engines.native.attention import listen
from core.engines.native.ear import BLOCK, TAPS, Ear, Hall, load_ear, new_hall
from core.engines.native.forward import add, gelu, norm
from core.engines.native.linear import apply
from core.engines.native.pool import Pool
from core.engines.native.sound import Sound, pack_sound
from core.kernels.simd import kernel


class CompiledEncoder:
    """Fills a window's sound without leaving the kernels. As many windows at once as there are cores."""

    def __init__(self, weights: Weights) -> None:
        self.mels = int(weights["encoder/conv1/weight"].shape[1])
        self._ear = load_ear(weights)
        self.frames = len(self._ear.places)
        self._halls = Pool(lambda: new_hall(self._ear, self.mels), usable_cores())

    def hear(self, mel: Spectrogram, sound: Sound, window: int) -> None:
        """See :class:`core.engines.native.backend.Encoder`."""
        with self._halls.one() as hall:
            encode(self._ear, mel[0], hall)
            offer(self._ear, hall, sound, window)

    def project(self, mel: Spectrogram) -> list[NDArray[np.float32]]:
        """What was heard: float32 (frames, width)."""
        with self._halls.one() as hall:
            encode(self._ear, mel[0], hall)
            return [hall.x.copy()]


@kernel
def encode(ear: Ear, mel: Any, hall: Hall) -> None:
    """Leaves what was heard in ``hall.x``. mel float32 (mels, 2 * frames)."""
    frames = len(hall.x)
    _stem(ear, mel, hall)
    for layer in range(ear.own.scale.shape[0]):
        for first in range(0, frames, BLOCK):
            count = min(BLOCK, frames - first)
            norm(hall.x[first:], count, ear.own_norm.scale[layer], ear.own_norm.shift[layer], hall.y)
            apply(hall.y, count, ear.own, layer, hall.wide[first:], hall.rows)
        pack_sound(0, hall.wide, hall.x.shape[1], 0, hall.sound)
        for first in range(0, frames, BLOCK):
            count = min(BLOCK, frames - first)
            _attend(ear, layer, hall.x[first:], count, hall.wide[first:], hall)
            _feed(ear, layer, hall.x[first:], count, hall)
    for first in range(0, frames, BLOCK):
        count = min(BLOCK, frames - first)
        norm(hall.x[first:], count, ear.last_norm.scale[0], ear.last_norm.shift[0], hall.y)
        hall.x[first : first + count] = hall.y[:count]


@kernel
def offer(ear: Ear, hall: Hall, sound: Sound, window: int) -> None:
    """The keys and values of what was heard, for each layer of the decoder."""
    for layer in range(ear.keys.scale.shape[0]):
        for first in range(0, len(hall.x), BLOCK):
            apply(hall.x[first:], min(BLOCK, len(hall.x) - first), ear.keys, layer, hall.wide[first:], hall.rows)
        pack_sound(layer, hall.wide, 0, window, sound)


@kernel
def _stem(ear: Ear, mel: Any, hall: Hall) -> None:
    """Two convolutions over time; the second takes every other frame."""
    for first in range(0, len(hall.loud), BLOCK):
        count, y = min(BLOCK, len(hall.loud) - first), hall.loud[first:]
        apply(_taps_of_mel(mel, first, count, hall.taps), count, ear.first, 0, y, hall.rows)
        gelu(y, count)
    for first in range(0, len(hall.x), BLOCK):
        count, x = min(BLOCK, len(hall.x) - first), hall.x[first:]
        apply(_taps_of_loud(hall.loud, first, count, hall.taps), count, ear.second, 0, x, hall.rows)
        gelu(x, count)
        add(x, ear.places[first:], count)


@kernel
def _taps_of_mel(mel: Any, first: int, count: int, room: Any) -> Any:
    """Each frame with both of its neighbours: float32 (BLOCK, 3 * mels). Before the first and after the last is 0."""
    mels, frames = mel.shape
    taps = room[: BLOCK * TAPS * mels].reshape(BLOCK, TAPS * mels)
    for tap in range(TAPS):
        for channel in range(mels):
            for row in range(count):
                at = first + row + tap - 1
                taps[row, tap * mels + channel] = mel[channel, at] if 0 <= at < frames else np.float32(0)
    return taps


@kernel
def _taps_of_loud(loud: Any, first: int, count: int, room: Any) -> Any:
    """The same of every other frame, whose channels stand beside each other: float32 (BLOCK, 3 * width)."""
    width = loud.shape[1]
    taps = room[: BLOCK * TAPS * width].reshape(BLOCK, TAPS * width)
    for row in range(count):
        for tap in range(TAPS):
            at, to = 2 * (first + row) + tap - 1, taps[row][tap * width :]
            for channel in range(width):
                to[channel] = loud[at, channel] if at >= 0 else np.float32(0)
    return taps


@kernel
def _attend(ear: Ear, layer: int, x: Any, count: int, wide: Any, hall: Hall) -> None:
    """A block of rows to all of them."""
    nothing, none = np.zeros((0, 0, 0), np.float32), np.zeros((0, 2), np.int64)
    listen(wide, 0, count, hall.sound, 0, 0, hall.y, hall.room, nothing, none)
    apply(hall.y, count, ear.own_out, layer, wide, hall.rows)  # its queries are done with
    add(x, wide, count)


@kernel
def _feed(ear: Ear, layer: int, x: Any, count: int, hall: Hall) -> None:
    norm(x, count, ear.feed_norm.scale[layer], ear.feed_norm.shift[layer], hall.y)
    apply(hall.y, count, ear.up, layer, hall.inner, hall.rows)
    gelu(hall.inner, count)
    apply(hall.inner, count, ear.down, layer, hall.y, hall.rows)
    add(x, hall.y, count)
