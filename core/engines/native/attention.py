"""Attention of a few rows: to the window's sound, and to the text before them, both in 8 bits."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD
from core.engines.native.apart import apart
from core.engines.native.sound import Sound
from core.kernels.bits import largest_of
from core.kernels.exponentials import TOP, exponentials, shares_of
from core.kernels.simd import GROUP, ROWS, TILE, kernel
from core.kernels.tiles import multiply_unsigned, score_tile

_GOLDEN = 0.6180339887498949


class Room(NamedTuple):
    """Scratch space of one thread at a time: scores float32 (rows + 3, frames), shares uint8 (rows + 3, frames),
    queries int8 (rows + 3, 64), scale float32 (rows + 3,), sums int32 (4, 64); totals float32 (rows,): of a row's
    shares before they are rounded; steps float32 (frames,): from where on each frame's share is rounded up."""

    scores: NDArray[np.float32]
    shares: NDArray[np.uint8]
    queries: NDArray[np.int8]
    scale: NDArray[np.float32]
    sums: NDArray[np.int32]
    totals: NDArray[np.float32]
    steps: NDArray[np.float32]


def new_room(rows: int, frames: int) -> Room:
    """Scratch space for so many rows of one window.

    Where attention is spread over hundreds of frames most shares are below half a step of the likeliest one's, and all
    would be rounded to nothing. So each frame is rounded from another place on, evenly spread: of frames beside each
    other with equal shares, as many get a step as is right.
    """
    whole = -(-frames // TILE) * TILE
    return Room(
        np.zeros((rows + ROWS - 1, whole), np.float32),
        np.zeros((rows + ROWS - 1, whole), np.uint8),
        np.zeros((rows + ROWS - 1, HEAD), np.int8),
        np.zeros(rows + ROWS - 1, np.float32),
        np.zeros((ROWS, TILE), np.int32),
        np.ones(rows, np.float32),
        (np.arange(whole) * _GOLDEN % 1.0).astype(np.float32),
    )


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
            room.totals[row] = shares_of(room.scores[row], frames, room.steps, room.shares[row])
        for index in range(heads_kept.shape[0]):
            if heads_kept[index, 0] == layer and heads_kept[index, 1] == head:
                for row in range(count):
                    _keep(room.scores[row], frames, room.totals[row], kept[index, first + row])
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
    query = np.zeros(HEAD, np.float32)
    for row in range(count):
        whole, rounded = q[first + row][at:], room.queries[row]
        for channel in range(HEAD):
            query[channel] = whole[channel] * key_scale[channel]
        most = largest_of(query, HEAD)
        room.scale[row] = most / np.float32(127)
        factor = np.float32(127) / most
        for channel in range(HEAD):
            rounded[channel] = np.int8(np.rint(query[channel] * factor))


@kernel
def _score(count: int, frames: int, keys: Any, room: Room) -> None:
    """Keys are stored around 128, which adds the same to every score of a row: nothing to the softmax."""
    for tile in range((frames + TILE - 1) // TILE):
        for start in range(0, count, ROWS):
            score_tile(room.queries, start, keys[tile], room.scale, room.scores, tile * TILE, room.sums)


@kernel
def _keep(scores: Any, frames: int, total: Any, kept: Any) -> None:
    """Shares of the whole."""
    factor = np.float32(1) / total
    for frame in range(frames):
        kept[frame] = scores[frame] * factor


@kernel
def _write(first: int, count: int, frames: int, values: Any, scale: Any, out: Any, at: int, room: Room) -> None:
    groups = (frames + GROUP - 1) // GROUP
    for start in range(0, count, ROWS):
        multiply_unsigned(room.shares, start, values, room.sums, groups)
        for row in range(min(ROWS, count - start)):
            factor = np.float32(1) / (np.float32(TOP) * room.totals[start + row])
            for channel in range(HEAD):
                out[first + start + row, at + channel] = room.sums[row, channel] * (factor * scale[channel])


class Memory(NamedTuple):
    """Keys and values of what was said, in 8 bits: every head of every token with a scale of its own.

    values int8 (layers, positions, slots, 2, width), scale float32 (layers, positions, slots, 2, heads).
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]


def new_memory(layers: int, positions: int, slots: int, width: int) -> Memory:
    """Room for so many texts of so many tokens; what no text reaches takes no memory. Raises ``MemoryError``."""
    shape = (layers, positions, slots, 2)
    return Memory(apart((*shape, width), np.int8), apart((*shape, width // HEAD), np.float32))


@kernel
def _rounded(x: Any, row: int, at: int, values: Any) -> Any:
    """One head of a row in 8 bits; the size of one step."""
    whole = x[row][at:]
    most = largest_of(whole, HEAD)
    factor = np.float32(127) / most
    for channel in range(HEAD):
        values[channel] = np.int8(np.rint(whole[channel] * factor))
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
