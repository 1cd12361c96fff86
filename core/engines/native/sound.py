"""What the decoder listens to: keys and values of a window's frames in 8 bits."""

import contextlib
import math
import mmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD
from core.kernels.simd import GROUP, TILE, kernel

AROUND = 128  # unsigned bytes stand around it


class Sound(NamedTuple):
    """Keys and values of windows, quantised: every channel of every head with a scale of its own.

    keys uint8 (windows, layers, heads, frames / 64, 16, 64, 4); values int8 (windows, layers, heads, frames / 4, 64,
    4); key_scale and value_scale float32 (windows, layers, heads, 64); frames int64 (windows,): those to listen to.
    """

    keys: NDArray[np.uint8]
    values: NDArray[np.int8]
    key_scale: NDArray[np.float32]
    value_scale: NDArray[np.float32]
    frames: NDArray[np.int64]


def new_sound(windows: int, layers: int, heads: int, frames: int) -> Sound:
    """Room for the keys and values of so many windows. Raises ``MemoryError``."""
    shape = (windows, layers, heads)
    keys = _apart((*shape, -(-frames // TILE), HEAD // GROUP, TILE, GROUP), np.uint8)
    keys[:, :, :, frames // TILE :, :, frames % TILE :] = AROUND  # places of the last tile that no frame has
    return Sound(
        keys,
        _apart((*shape, -(-frames // GROUP), HEAD, GROUP), np.int8),
        np.ones((*shape, HEAD), np.float32),
        np.ones((*shape, HEAD), np.float32),
        np.full(windows, frames, np.int64),
    )


def _apart(shape: tuple[int, ...], kind: type[np.generic]) -> Any:
    """Zeros that are no part of the heap: each batch takes such a piece and gives it back, and over the hours pieces of
    many megabytes, with small ones between them, would break the heap up."""
    try:
        room = mmap.mmap(-1, max(1, math.prod(shape)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"No {math.prod(shape)} bytes for what was heard: {error}") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            room.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(room, kind, math.prod(shape)).reshape(shape)


@kernel
def pack_sound(layer: int, projected: Any, window: int, sound: Sound) -> None:
    """Quantise one layer's keys and values, given side by side: float32 (frames, 2 * width)."""
    frames, width = projected.shape[0], projected.shape[1] // 2
    eight, factor = np.zeros((GROUP, HEAD), np.int32), np.zeros(HEAD, np.float32)
    for head in range(width // HEAD):
        at = head * HEAD
        _scales(projected, at, sound.key_scale[window, layer, head], factor)
        keys = sound.keys[window, layer, head].view(np.uint32)
        for frame in range(frames):
            _round(projected, frame, at, factor, AROUND, eight[0])
            _put_key(eight[0], keys, frame // TILE, frame % TILE)
        _scales(projected, width + at, sound.value_scale[window, layer, head], factor)
        values = sound.values[window, layer, head].view(np.uint32)
        for first in range(0, frames, GROUP):
            for part in range(GROUP):
                if first + part < frames:
                    _round(projected, first + part, width + at, factor, 0, eight[part])
                else:
                    eight[part] = 0
            for channel in range(HEAD):
                values[first // GROUP, channel, 0] = _together(
                    eight[0, channel], eight[1, channel], eight[2, channel], eight[3, channel]
                )


@kernel
def _put_key(eight: Any, keys: Any, tile: int, place: int) -> None:
    for group in range(HEAD // GROUP):
        at = group * GROUP
        keys[tile, group, place, 0] = _together(eight[at], eight[at + 1], eight[at + 2], eight[at + 3])


@kernel
def _together(first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Four bytes as one number: a store of four costs what a store of one does."""
    low = np.uint32(first & 255) | np.uint32((second & 255) << 8)
    return low | np.uint32((third & 255) << 16) | np.uint32((fourth & 255) << 24)


@kernel
def _round(projected: Any, row: int, at: int, factor: Any, around: int, eight: Any) -> None:
    for channel in range(HEAD):
        eight[channel] = np.int32(np.rint(projected[row, at + channel] * factor[channel])) + np.int32(around)


@kernel
def _scales(projected: Any, at: int, scale: Any, factor: Any) -> None:
    for channel in range(HEAD):
        scale[channel] = np.float32(1e-9)
    for frame in range(projected.shape[0]):
        for channel in range(HEAD):
            scale[channel] = max(scale[channel], abs(projected[frame, at + channel]))
    for channel in range(HEAD):
        scale[channel] /= np.float32(127)
        factor[channel] = np.float32(1) / scale[channel]
