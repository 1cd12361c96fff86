"""One pass through the decoder for any rows: the next token of many texts, a prompt, or a whole text at once."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.native.attention import Memory, Room, listen, new_room, remember, store
from core.engines.native.linear import Rows, apply, new_rows
from core.engines.native.model import Model
from core.engines.native.sound import Sound
from core.kernels.simd import GROUP, TILE, add_up, kernel

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


class Batch(NamedTuple):
    """What is to be computed: token, position, window and slot of each row; rows of one window are neighbours.

    All int64 (rows,); ``table`` int64 (rows, positions) names the slot of each earlier position of a row's text.
    """

    tokens: I64
    positions: I64
    windows: I64
    slots: I64
    table: I64


class Bench(NamedTuple):
    """Scratch space of one thread at a time: float32 arrays with a row for each row of a batch."""

    x: F32
    y: F32
    wide: F32
    inner: F32
    rows: Rows
    room: Room


def new_bench(rows: int, width: int, feed: int, frames: int) -> Bench:
    """Room for so many rows of a model of this width, each of which attends to so many frames or positions."""
    return Bench(
        np.zeros((rows, width), np.float32),
        np.zeros((rows, width), np.float32),
        np.zeros((rows, 3 * width), np.float32),
        np.zeros((rows, feed), np.float32),
        new_rows(rows, max(width, feed)),
        new_room(rows, frames),
    )


@kernel
def norm(x: Any, count: int, scale: Any, shift: Any, y: Any) -> None:
    """Layer norm of the first rows."""
    width = x.shape[1]
    for row in range(count):
        mean = add_up(x[row], width) / np.float32(width)
        for column in range(width):
            y[row, column] = (x[row, column] - mean) * (x[row, column] - mean)
        spread = add_up(y[row], width) / np.float32(width)
        factor = np.float32(1) / np.float32(math.sqrt(spread + np.float32(1e-5)))
        for column in range(width):
            y[row, column] = (x[row, column] - mean) * factor * scale[column] + shift[column]


@kernel
def _embed(model: Model, batch: Batch, count: int, x: Any) -> None:
    tiles, scale = model.words.tiles[0], model.words.scale[0]
    for row in range(count):
        token, position = batch.tokens[row], batch.positions[row]
        tile, place = token // TILE, token % TILE
        for column in range(x.shape[1]):
            value = np.float32(tiles[tile, column // GROUP, place, column % GROUP])
            x[row, column] = value * scale[token] + model.positions[position, column]


@kernel
def add(x: Any, y: Any, count: int) -> None:
    """Add the first rows of ``y``, which may be wider, to those of ``x``."""
    for row in range(count):
        for column in range(x.shape[1]):
            x[row, column] += y[row, column]


@kernel
def erf(value: Any) -> Any:
    """The error function of ``value / sqrt(2)``, within 2e-5: a polynomial fitted to it on [-4.2, 4.2]."""
    v = min(max(value, np.float32(-4.2)), np.float32(4.2))
    u = v * v
    p = np.float32(-1.0922709e-08) + u * np.float32(1.1536997e-10)
    p = np.float32(-1.1348004e-05) + u * (np.float32(4.5812826e-07) + u * p)
    p = np.float32(-0.0022197552) + u * (np.float32(0.00018753216) + u * p)
    p = np.float32(-0.13269068) + u * (np.float32(0.019636342) + u * p)
    return v * (np.float32(0.79780388) + u * p)


@kernel
def gelu(x: Any, count: int) -> None:
    """Whisper's activation of the first rows, in place."""
    for row in range(count):
        for column in range(x.shape[1]):
            value = x[row, column]
            x[row, column] = np.float32(0.5) * value * (np.float32(1) + erf(value))


@kernel
def _recall(model: Model, batch: Batch, count: int, layer: int, memory: Memory, bench: Bench) -> None:
    """What was said before: keys and values of all rows are stored before any row looks."""
    norm(bench.x, count, model.own_norm.scale[layer], model.own_norm.shift[layer], bench.y)
    apply(bench.y, count, model.own, layer, bench.wide, bench.rows)
    for row in range(count):
        store(bench.wide, row, layer, batch.positions[row], batch.slots[row], memory)
    for row in range(count):
        remember(bench.wide, row, batch.positions[row], layer, memory, batch.table, bench.y, bench.room.scores[0])
    apply(bench.y, count, model.own_out, layer, bench.wide, bench.rows)
    add(bench.x, bench.wide, count)


@kernel
def _hear(
    model: Model, sound: Sound, batch: Batch, count: int, layer: int, bench: Bench, kept: Any, heads: Any
) -> None:
    """What is to be heard in each row's window."""
    norm(bench.x, count, model.ask_norm.scale[layer], model.ask_norm.shift[layer], bench.y)
    apply(bench.y, count, model.ask, layer, bench.wide, bench.rows)
    first = 0
    while first < count:
        end = first + 1
        while end < count and batch.windows[end] == batch.windows[first]:
            end += 1
        listen(bench.wide, first, end - first, sound, batch.windows[first], layer, bench.y, bench.room, kept, heads)
        first = end
    apply(bench.y, count, model.heard, layer, bench.wide, bench.rows)
    add(bench.x, bench.wide, count)


@kernel
def _feed(model: Model, count: int, layer: int, bench: Bench) -> None:
    norm(bench.x, count, model.feed_norm.scale[layer], model.feed_norm.shift[layer], bench.y)
    apply(bench.y, count, model.up, layer, bench.inner, bench.rows)
    gelu(bench.inner, count)
    apply(bench.inner, count, model.down, layer, bench.y, bench.rows)
    add(bench.x, bench.y, count)


@kernel
def forward(model: Model, sound: Sound, batch: Batch, memory: Memory, bench: Bench, kept: Any, heads: Any) -> None:
    """Leaves the last layer's normed output in ``bench.y``, a row for each row of the batch."""
    count = len(batch.tokens)
    _embed(model, batch, count, bench.x)
    for layer in range(model.own.scale.shape[0]):
        _recall(model, batch, count, layer, memory, bench)
        _hear(model, sound, batch, count, layer, bench, kept, heads)
        _feed(model, count, layer, bench)
    norm(bench.x, count, model.last_norm.scale[0], model.last_norm.shift[0], bench.y)


@kernel
def logits(model: Model, bench: Bench, count: int, y: Any) -> None:
    """The score of every token for the first rows: float32 (rows, tokens filled up to whole tiles)."""
    apply(bench.y, count, model.words, 0, y, bench.rows)
