"""Whisper's encoder in 8 bits, made of the decoder's kernels."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import Weights
from core.engines.features import Spectrogram
from core.engines.native.attention import listen
from core.engines.native.ear import BLOCK, TAPS, Ear, Hall, load_ear, new_hall
from core.engines.native.forward import add, gelu, norm
from core.engines.native.linear import Linear, Rows, apply
from core.engines.native.sound import Sound, pack_sound
from core.kernels.simd import kernel


class CompiledEncoder:
    """Fills a window's sound without leaving the kernels. Each thread has a hall of its own."""

    def __init__(self, weights: Weights) -> None:
        self.mels = int(weights["encoder/conv1/weight"].shape[1])
        self._ear = load_ear(weights)
        self.frames = len(self._ear.places)
        self._own = threading.local()

    def hear(self, mel: Spectrogram, sound: Sound, window: int) -> None:
        """See :class:`core.engines.native.backend.Encoder`."""
        encode(self._ear, mel[0], self._hall)
        offer(self._ear, self._hall, sound, window)

    def project(self, mel: Spectrogram) -> list[NDArray[np.float32]]:
        """What was heard: float32 (frames, width), valid until the next call of the same thread."""
        encode(self._ear, mel[0], self._hall)
        return [self._hall.y]

    @property
    def _hall(self) -> Hall:
        if not hasattr(self._own, "hall"):
            self._own.hall = new_hall(self._ear, self.mels)
        hall: Hall = self._own.hall
        return hall


@kernel
def encode(ear: Ear, mel: Any, hall: Hall) -> None:
    """Leaves what was heard in ``hall.y``. mel float32 (mels, 2 * frames)."""
    frames = len(hall.x)
    _stem(ear, mel, hall)
    for layer in range(ear.own.scale.shape[0]):
        norm(hall.x, frames, ear.own_norm.scale[layer], ear.own_norm.shift[layer], hall.y)
        _project(hall.y, ear.own, layer, hall.wide, hall.rows)
        pack_sound(0, hall.wide, hall.x.shape[1], 0, hall.sound)
        for first in range(0, frames, BLOCK):
            count = min(BLOCK, frames - first)
            _attend(ear, layer, first, count, hall)
            _feed(ear, layer, hall.x[first:], count, hall.y[first:], hall)
    norm(hall.x, frames, ear.last_norm.scale[0], ear.last_norm.shift[0], hall.y)


@kernel
def offer(ear: Ear, hall: Hall, sound: Sound, window: int) -> None:
    """The keys and values of what was heard, for each layer of the decoder."""
    for layer in range(ear.keys.scale.shape[0]):
        _project(hall.y, ear.keys, layer, hall.wide, hall.rows)
        pack_sound(layer, hall.wide, 0, window, sound)


@kernel
def _project(x: Any, linear: Linear, layer: int, y: Any, rows: Rows) -> None:
    """All rows, a block at a time: what it works on stays in the cache."""
    for first in range(0, len(x), BLOCK):
        apply(x[first:], min(BLOCK, len(x) - first), linear, layer, y[first:], rows)


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
def _attend(ear: Ear, layer: int, first: int, count: int, hall: Hall) -> None:
    """A block of rows to all of them."""
    nothing, none = np.zeros((0, 0, 0), np.float32), np.zeros((0, 2), np.int64)
    listen(hall.wide, first, count, hall.sound, 0, 0, hall.y, hall.room, nothing, none)
    apply(hall.y[first:], count, ear.own_out, layer, hall.wide[first:], hall.rows)  # its queries are done with
    add(hall.x[first:], hall.wide[first:], count)


@kernel
def _feed(ear: Ear, layer: int, x: Any, count: int, y: Any, hall: Hall) -> None:
    norm(x, count, ear.feed_norm.scale[layer], ear.feed_norm.shift[layer], y)
    apply(y, count, ear.up, layer, hall.inner, hall.rows)
    gelu(hall.inner, count)
    apply(hall.inner, count, ear.down, layer, y, hall.rows)
    add(x, y, count)
