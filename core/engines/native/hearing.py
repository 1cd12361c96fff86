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
from core.engines.native.linear import apply
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
        _attend(ear, layer, hall)
        norm(hall.x, frames, ear.feed_norm.scale[layer], ear.feed_norm.shift[layer], hall.y)
        apply(hall.y, frames, ear.up, layer, hall.inner, hall.rows)
        gelu(hall.inner, frames)
        apply(hall.inner, frames, ear.down, layer, hall.y, hall.rows)
        add(hall.x, hall.y, frames)
    norm(hall.x, frames, ear.last_norm.scale[0], ear.last_norm.shift[0], hall.y)


@kernel
def offer(ear: Ear, hall: Hall, sound: Sound, window: int) -> None:
    """The keys and values of what was heard, for each layer of the decoder."""
    frames, width = hall.x.shape
    for layer in range(ear.keys.scale.shape[0]):
        apply(hall.y, frames, ear.keys, layer, hall.wide, hall.rows)
        pack_sound(layer, hall.wide[:, : 2 * width], window, sound)


@kernel
def _stem(ear: Ear, mel: Any, hall: Hall) -> None:
    """Two convolutions over time; the second takes every other frame."""
    mels, count = mel.shape
    width = hall.x.shape[1]
    taps = hall.taps[:, : TAPS * mels]
    for frame in range(count):
        for tap in range(TAPS):
            at = frame + tap - 1
            for channel in range(mels):
                taps[frame, tap * mels + channel] = mel[channel, at] if 0 <= at < count else np.float32(0)
    apply(taps, count, ear.first, 0, hall.loud, hall.rows)
    gelu(hall.loud, count)
    taps = hall.taps[:, : TAPS * width]
    for frame in range(count // 2):
        for tap in range(TAPS):
            at = 2 * frame + tap - 1
            for channel in range(width):
                taps[frame, tap * width + channel] = hall.loud[at, channel] if at >= 0 else np.float32(0)
    apply(taps, count // 2, ear.second, 0, hall.x, hall.rows)
    gelu(hall.x, count // 2)
    add(hall.x, ear.places, count // 2)


@kernel
def _attend(ear: Ear, layer: int, hall: Hall) -> None:
    frames, width = hall.x.shape
    norm(hall.x, frames, ear.own_norm.scale[layer], ear.own_norm.shift[layer], hall.y)
    apply(hall.y, frames, ear.own, layer, hall.wide, hall.rows)
    pack_sound(0, hall.wide[:, width:], 0, hall.sound)
    nothing, none = np.zeros((0, 0, 0), np.float32), np.zeros((0, 2), np.int64)
    for first in range(0, frames, BLOCK):
        listen(hall.wide, first, min(BLOCK, frames - first), hall.sound, 0, 0, hall.y, hall.room, nothing, none)
    apply(hall.y, frames, ear.own_out, layer, hall.wide, hall.rows)
    add(hall.x, hall.wide, frames)
