"""Linear layers in 8 bits: weights by output, inputs by row, as CTranslate2's int8 does it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernels.bits import largest_of
from core.kernels.simd import GROUP, ROWS, TILE, kernel
from core.kernels.tiles import multiply_unsigned, project_tile


class Linear(NamedTuple):
    """One or more layers of equal shape, outputs filled up to whole tiles with zeros.

    tiles int8 (layers, outputs / 64, inputs / 4, 64, 4); scale, bias float32 and sums int32 (layers, outputs).
    """

    tiles: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    sums: NDArray[np.int32]


class Rows(NamedTuple):
    """Room for quantised inputs of up to ``n`` rows: values uint8 (n + 3, widest), scale float32 (n,), sums (4, 64)."""

    values: NDArray[np.uint8]
    scale: NDArray[np.float32]
    sums: NDArray[np.int32]


def new_rows(rows: int, width: int) -> Rows:
    """Room for ``rows`` rows of ``width`` inputs."""
    values = np.zeros((rows + ROWS - 1, width), np.uint8)
    return Rows(values, np.ones(rows, np.float32), np.zeros((ROWS, TILE), np.int32))


def pack(weights: list[NDArray[Any]], biases: list[NDArray[Any] | None]) -> Linear:
    """Quantise layers given as (outputs, inputs), each output with a scale of its own."""
    packed = [_pack(weight, bias) for weight, bias in zip(weights, biases, strict=True)]
    return Linear(*(np.ascontiguousarray(np.stack(parts)) for parts in zip(*packed, strict=True)))


def _pack(weight: NDArray[Any], bias: NDArray[Any] | None) -> tuple[NDArray[Any], ...]:
    outputs, inputs = weight.shape
    whole = -(-outputs // TILE) * TILE
    weight = weight.astype(np.float32)
    scale = np.abs(weight).max(axis=1) / 127
    scale[scale == 0] = 1
    values = np.zeros((whole, inputs), np.int8)
    values[:outputs] = np.rint(weight / scale[:, None])
    tiles = values.reshape(whole // TILE, TILE, inputs // GROUP, GROUP).transpose(0, 2, 1, 3)
    filled = np.zeros((2, whole), np.float32)
    filled[0, :outputs] = scale
    if bias is not None:
        filled[1, :outputs] = bias
    return np.ascontiguousarray(tiles), filled[0], filled[1], values.sum(axis=1, dtype=np.int32)


@kernel
def quantise(x: Any, count: int, rows: Rows) -> None:
    """Each row of ``x`` to 8 bits around 128, with a scale of its own."""
    width = x.shape[1]
    for row in range(count):
        most = largest_of(x[row], width)
        rows.scale[row] = most / np.float32(127)
        factor = np.float32(127) / most
        for column in range(width):
            rows.values[row, column] = np.uint8(np.int32(np.rint(x[row, column] * factor)) + 128)


@kernel
def apply(x: Any, count: int, linear: Linear, layer: int, y: Any, rows: Rows) -> None:
    """y = x . weights + bias for the first ``count`` rows; y has room for whole tiles."""
    quantise(x, count, rows)
    tiles, scale, bias, sums = linear.tiles[layer], linear.scale[layer], linear.bias[layer], linear.sums[layer]
    whole = count // ROWS * ROWS
    for tile in range(tiles.shape[0]):
        at = tile * TILE
        for first in range(0, whole, ROWS):
            project_tile(rows.values, first, tiles[tile], rows.scale, (sums, scale, bias), y, at, rows.sums)
        if whole < count:  # y ends before a whole tile does
            multiply_unsigned(rows.values, whole, tiles[tile], rows.sums, tiles.shape[1])
            for row in range(count - whole):
                factor = rows.scale[whole + row]
                for output in range(TILE):
                    exact = np.float32(rows.sums[row, output] - 128 * sums[at + output])
                    y[whole + row, at + output] = exact * (factor * scale[at + output]) + bias[at + output]
