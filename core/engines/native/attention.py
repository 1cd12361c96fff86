"""Attention of a few rows: to the window's sound in 8 bits, to the text before them in 32."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD
from core.engines.native.simd import GROUP, ROWS, TILE, add_up, kernel, multiply_signed, multiply_unsigned

TOP = 255  # what the likeliest frame's share becomes in 8 bits


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


class Room(NamedTuple):
    """Scratch space of one thread: scores float32 (rows, frames), shares uint8 (rows + 3, frames), queries int8
    (rows + 3, 64), scale float32 (rows,), sums int32 (4, 64)."""

    scores: NDArray[np.float32]
    shares: NDArray[np.uint8]
    queries: NDArray[np.int8]
    scale: NDArray[np.float32]
    sums: NDArray[np.int32]


def new_sound(windows: int, layers: int, heads: int, frames: int) -> Sound:
    """Room for the keys and values of so many windows."""
    shape = (windows, layers, heads)
    return Sound(
        np.full((*shape, -(-frames // TILE), HEAD // GROUP, TILE, GROUP), 128, np.uint8),
        np.zeros((*shape, -(-frames // GROUP), HEAD, GROUP), np.int8),
        np.ones((*shape, HEAD), np.float32),
        np.ones((*shape, HEAD), np.float32),
        np.full(windows, frames, np.int64),
    )


def new_room(rows: int, frames: int) -> Room:
    """Scratch space for so many rows of one window."""
    whole = -(-frames // TILE) * TILE
    return Room(
        np.zeros((rows, whole), np.float32),
        np.zeros((rows + ROWS - 1, whole), np.uint8),
        np.zeros((rows + ROWS - 1, HEAD), np.int8),
        np.zeros(rows, np.float32),
        np.zeros((ROWS, TILE), np.int32),
    )


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
            _round(projected, frame, at, factor, 128, eight[0])
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


@kernel
def exponentials(scores: Any, count: int) -> Any:
    """Replace scores by exp(score - highest); their sum. A series of exp(x / 32) to the seventh power, five times
    squared: relative error below 2e-5, and the compiler can do sixteen at once."""
    highest = scores[0]
    for index in range(count):
        highest = max(highest, scores[index])
    for index in range(count):
        z = max((scores[index] - highest) * np.float32(1 / 32), np.float32(-0.7))
        p = np.float32(1 / 120) + z * (np.float32(1 / 720) + z * np.float32(1 / 5040))
        p = np.float32(1 / 2) + z * (np.float32(1 / 6) + z * (np.float32(1 / 24) + z * p))
        p = np.float32(1) + z * (np.float32(1) + z * p)
        p = p * p
        p = p * p
        p = p * p
        p = p * p
        p = p * p
        scores[index] = p
    return add_up(scores, count)


@kernel
def listen(
    q: Any,
    first: int,
    count: int,
    sound: Sound,
    window: int,
    layer: int,
    out: Any,
    room: Room,
    kept: Any,
    heads_kept: Any,
) -> None:
    """Attention of rows ``first`` and on to the sound of one window.

    ``kept`` float32 (heads kept, rows, frames): shares of the layer's heads named in ``heads_kept`` as (layer, head).
    """
    frames = sound.frames[window]
    for head in range(sound.keys.shape[2]):
        at = head * HEAD
        _quantise_queries(q, first, count, at, sound.key_scale[window, layer, head], room)
        _score(count, frames, sound.keys[window, layer, head], room)
        for row in range(count):
            _share(room.scores[row], room.shares[row], frames)
        for index in range(heads_kept.shape[0]):
            if heads_kept[index, 0] == layer and heads_kept[index, 1] == head:
                for row in range(count):
                    for frame in range(frames):
                        kept[index, first + row, frame] = room.scores[row, frame]
        _write(
            first,
            count,
            frames,
            sound.values[window, layer, head],
            sound.value_scale[window, layer, head],
            out,
            at,
            room,
        )


@kernel
def _quantise_queries(q: Any, first: int, count: int, at: int, key_scale: Any, room: Room) -> None:
    for row in range(count):
        most = np.float32(1e-9)
        for channel in range(HEAD):
            most = max(most, abs(q[first + row, at + channel] * key_scale[channel]))
        room.scale[row] = most / np.float32(127)
        for channel in range(HEAD):
            value = np.rint(q[first + row, at + channel] * key_scale[channel] / room.scale[row])
            room.queries[row, channel] = np.int8(value)


@kernel
def _score(count: int, frames: int, keys: Any, room: Room) -> None:
    """Keys are stored around 128, which adds the same to every score of a row: nothing to the softmax."""
    for tile in range((frames + TILE - 1) // TILE):
        for start in range(0, count, ROWS):
            multiply_signed(room.queries, start, keys[tile], room.sums, HEAD // GROUP)
            for row in range(min(ROWS, count - start)):
                for place in range(TILE):
                    room.scores[start + row, tile * TILE + place] = room.sums[row, place] * room.scale[start + row]


@kernel
def _share(scores: Any, shares: Any, frames: int) -> None:
    """Scores to shares, and to 8 bits."""
    total = exponentials(scores, frames)
    for frame in range(frames):
        shares[frame] = np.uint8(np.int32(scores[frame] * np.float32(TOP) + np.float32(0.5)))
    for frame in range(frames, (frames + GROUP - 1) // GROUP * GROUP):
        shares[frame] = 0
    factor = np.float32(1) / total
    for frame in range(frames):
        scores[frame] *= factor


@kernel
def _write(first: int, count: int, frames: int, values: Any, scale: Any, out: Any, at: int, room: Room) -> None:
    groups = (frames + GROUP - 1) // GROUP
    for start in range(0, count, ROWS):
        multiply_unsigned(room.shares, start, values, room.sums, groups)
        for row in range(min(ROWS, count - start)):
            total = np.int32(0)
            for frame in range(frames):
                total += np.int32(room.shares[start + row, frame])
            factor = np.float32(1) / np.float32(total) if total > 0 else np.float32(0)
            for channel in range(HEAD):
                out[first + start + row, at + channel] = room.sums[row, channel] * (factor * scale[channel])


class Memory(NamedTuple):
    """Keys and values of what was said, in 8 bits: every head of every token with a scale of its own.

    values int8 (layers, positions, slots, 2, width), scale float32 (layers, positions, slots, 2, heads).
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]


def new_memory(layers: int, positions: int, slots: int, width: int) -> Memory:
    """Room for so many texts of so many tokens."""
    shape = (layers, positions, slots, 2)
    return Memory(np.zeros((*shape, width), np.int8), np.zeros((*shape, width // HEAD), np.float32))


@kernel
def _rounded(x: Any, row: int, at: int, values: Any) -> Any:
    """One head of a row in 8 bits; the size of one step."""
    most = np.float32(1e-9)
    for channel in range(HEAD):
        most = max(most, abs(x[row, at + channel]))
    factor = np.float32(127) / most
    for channel in range(HEAD):
        values[channel] = np.int8(np.rint(x[row, at + channel] * factor))
    return most / np.float32(127)


@kernel
def store(made: Any, row: int, layer: int, position: int, slot: int, memory: Memory) -> None:
    """Keep a row's key and value, which stand after its query in ``made``: float32 (rows, 3 * width)."""
    width = memory.values.shape[4]
    for part in range(2):
        values, scale = memory.values[layer, position, slot, part], memory.scale[layer, position, slot, part]
        for head in range(width // HEAD):
            at = head * HEAD
            scale[head] = _rounded(made, row, (part + 1) * width + at, values[at : at + HEAD])


@kernel
def remember(q: Any, row: int, position: int, layer: int, memory: Memory, table: Any, out: Any, scores: Any) -> None:
    """Attention of one row to the text before it and itself; ``table`` int64 (rows, positions) names the slots."""
    query = np.zeros(HEAD, np.int8)
    for head in range(out.shape[1] // HEAD):
        at = head * HEAD
        unit = _rounded(q, row, at, query)
        for before in range(position + 1):
            key = memory.values[layer, before, table[row, before], 0]
            score = np.int32(0)
            for channel in range(HEAD):
                score += np.int32(query[channel]) * np.int32(key[at + channel])
            scores[before] = np.float32(score) * (unit * memory.scale[layer, before, table[row, before], 0, head])
        total = exponentials(scores, position + 1)
        for channel in range(HEAD):
            out[row, at + channel] = np.float32(0)
        for before in range(position + 1):
            slot = table[row, before]
            share = scores[before] / total * memory.scale[layer, before, slot, 1, head]
            value = memory.values[layer, before, slot, 1]
            for channel in range(HEAD):
                out[row, at + channel] += share * np.float32(value[at + channel])
