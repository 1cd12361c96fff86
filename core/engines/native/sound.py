"""What the decoder listens to: keys and values of a window's frames in 8 bits."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD
from core.engines.native.apart import apart
from core.kernels.bits import from_order, size_bits
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
    keys = apart((*shape, -(-frames // TILE), HEAD // GROUP, TILE, GROUP), np.uint8, whole=True)
    keys[:, :, :, frames // TILE :, :, frames % TILE :] = AROUND  # places of the last tile that no frame has
    return Sound(
        keys,
        apart((*shape, -(-frames // GROUP), HEAD, GROUP), np.int8, whole=True),
        np.ones((*shape, HEAD), np.float32),
        np.ones((*shape, HEAD), np.float32),
        np.full(windows, frames, np.int64),
    )


def first_of(sound: Sound, windows: int) -> Sound:
    """The same room, of which only the first windows are used."""
    return Sound(
        sound.keys[:windows],
        sound.values[:windows],
        sound.key_scale[:windows],
        sound.value_scale[:windows],
        sound.frames[:windows],
    )


@kernel
def pack_sound(layer: int, projected: Any, at: int, window: int, sound: Sound) -> None:
    """Quantise one layer's keys and values, which stand beside each other from column ``at`` on.

    projected float32 (frames, columns): whole rows, since of parts of them the compiler does not know that their
    columns are neighbours.
    """
    width = sound.keys.shape[2] * HEAD
    scale = _scales(projected, at, 2 * width)
    sound.key_scale[window, layer].reshape(width)[:] = scale[:width]
    sound.value_scale[window, layer].reshape(width)[:] = scale[width:]
    for channel in range(2 * width):
        scale[channel] = np.float32(1) / scale[channel]
    _pack_keys(projected, at, scale[:width], sound.keys[window, layer].view(np.uint32))
    _pack_values(projected, at + width, scale[width:], sound.values[window, layer].view(np.uint32))


@kernel
def _scales(projected: Any, at: int, channels: int) -> Any:
    """The step of each channel: float32 (channels,). Rows are gone through as they lie in memory."""
    most, scale = np.zeros(channels, np.int32), np.zeros(channels, np.float32)
    for frame in range(projected.shape[0]):
        row = projected[frame][at:]
        for channel in range(channels):
            most[channel] = max(most[channel], size_bits(row[channel]))
    for channel in range(channels):
        scale[channel] = max(from_order(most[channel]), np.float32(1e-9)) / np.float32(127)
    return scale


@kernel
def _pack_keys(projected: Any, at: int, factor: Any, keys: Any) -> None:
    """Four bytes are moved as one number. keys uint32 (heads, frames / 64, 16, 64, 1)."""
    heads, groups = keys.shape[0], keys.shape[2]
    eight = np.zeros(len(factor), np.uint8)
    four = eight.view(np.uint32)
    for frame in range(projected.shape[0]):
        row = projected[frame][at:]
        for channel in range(len(factor)):
            eight[channel] = np.uint8(np.int32(np.rint(row[channel] * factor[channel])) + AROUND)
        for head in range(heads):
            for group in range(groups):
                keys[head, frame // TILE, group, frame % TILE, 0] = four[head * groups + group]


@kernel
def _pack_values(projected: Any, at: int, factor: Any, values: Any) -> None:
    """Four frames beside each other; after the last one there is nothing. values uint32 (heads, frames / 4, 64, 1)."""
    frames, (heads, groups, channels, _) = projected.shape[0], values.shape
    four, flat = np.zeros(len(factor), np.uint32), values.reshape(heads, groups, channels)
    for group in range(groups):
        four[:] = 0
        for part in range(min(GROUP, frames - group * GROUP)):
            row, shift = projected[group * GROUP + part][at:], np.uint32(8 * part)
            for channel in range(len(factor)):
                value = np.int32(np.rint(row[channel] * factor[channel]))
                four[channel] |= np.uint32(value & 255) << shift
        for head in range(heads):
            flat[head, group, :] = four[head * channels : (head + 1) * channels]
