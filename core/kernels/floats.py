"""Products of 32-bit floats: a tile of 64 outputs of some rows at a time, each row summed in one order whatever rows
stand beside it."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.kernels.emitter import FLOAT, FLOATS, VECTOR_BYTES, Emitter, emitted
from core.kernels.simd import ROWS, TILE, has_avx512, kernel

F32 = NDArray[np.float32]
_FUSED = ("contract",)  # product and sum may be one instruction


class Row(Emitter):
    """float32 rows: bias and products, 64 outputs wide."""

    kind = FLOATS
    rows = 1
    apart = 4  # bytes from one input of a row to the next

    def _begun(self) -> list[Any]:
        bias = self._more[1]
        return [self._load(bias, VECTOR_BYTES * column, FLOATS) for column in range(self.columns)]

    def _turn(self, group: Any, sums: list[list[Any]]) -> list[list[Any]]:
        builder = self._builder
        weights = self._weights_of(group)
        added = []
        for row in range(self.rows):
            start = builder.add(self._rows, builder.mul(self._stride, self._number(row)))
            place = builder.add(start, builder.mul(group, self._number(self.apart)))
            taken = self._spread(self._load(place, 0, FLOAT))
            added.append(
                [self._more_of(total, taken, weight) for total, weight in zip(sums[row], weights, strict=True)]
            )
        return added

    def _weights_of(self, group: Any) -> list[Any]:
        base = self._builder.add(self._weights, self._builder.mul(group, self._number(4 * TILE)))
        return [self._load(base, VECTOR_BYTES * column, FLOATS) for column in range(self.columns)]

    def _more_of(self, total: Any, taken: Any, weight: Any) -> Any:
        product = self._builder.fmul(taken, weight, flags=_FUSED)
        return self._builder.fadd(total, product, flags=_FUSED)

    def _store(self, sums: list[list[Any]]) -> None:
        for row in range(self.rows):
            start = self._builder.add(self._out, self._builder.mul(self._more[0], self._number(row)))
            for column in range(self.columns):
                self._put(sums[row][column], start, VECTOR_BYTES * column)


class _Rows(Row):
    """As many as there are registers for."""

    rows = ROWS if has_avx512() else 1


class _Columns(_Rows):
    """Four rows whose inputs stand side by side."""

    apart = 4 * ROWS


_one, _some, _beside = emitted(Row), emitted(_Rows), emitted(_Columns)
_AT_ONCE = _Rows.rows


def pack(matrix: F32) -> F32:
    """float32 (outputs, inputs) as (tiles, inputs, 64), filled up with zeros."""
    outputs, inputs = matrix.shape
    whole = np.zeros((-(-outputs // TILE) * TILE, inputs), np.float32)
    whole[:outputs] = matrix
    return np.ascontiguousarray(whole.reshape(-1, TILE, inputs).transpose(0, 2, 1))


@njit(inline="always")
def _address(array: Any, row: int, column: int) -> Any:
    return array.ctypes.data + row * array.strides[0] + 4 * column


@kernel
def dense(rows: Any, at: int, count: int, weights: Any, skip: int, taken: int, bias: Any, out: Any, to: int) -> None:
    """``out[:count, to:] = rows[:count, at:at + taken] . weights[skip:skip + taken] + bias``.

    rows and out float32, so many rows that ``count`` may be rounded up to 4; weights as :func:`pack` gives them; bias
    float32 (64 * tiles,).
    """
    for tile in range(weights.shape[0]):
        weight, start = weights[tile, skip:].ctypes.data, bias.ctypes.data + 4 * TILE * tile
        for first in range(0, count, _AT_ONCE):
            here = (_address(rows, first, at), weight, _address(out, first, to + TILE * tile), rows.strides[0])
            _some((*here, taken, out.strides[0], start))


@kernel
def dense_row(row: Any, weights: Any, bias: Any, out: Any) -> None:
    """The same of one row: float32 (inputs,) to (64 * tiles,)."""
    for tile in range(weights.shape[0]):
        shift = 4 * TILE * tile
        here = (row.ctypes.data, weights[tile].ctypes.data, out.ctypes.data + shift, row.strides[0])
        _one((*here, weights.shape[1], 0, bias.ctypes.data + shift))


@kernel
def dense_columns(
    rows: Any, at: int, count: int, weights: Any, skip: int, taken: int, bias: Any, out: Any, to: int
) -> None:
    """As :func:`dense`; rows stand four by four, float32 (groups, 4 * inputs): each input of four rows side by side."""
    for tile in range(weights.shape[0]):
        weight, start = weights[tile, skip:].ctypes.data, bias.ctypes.data + 4 * TILE * tile
        for first in range(0, count, _AT_ONCE):
            group, row = first // ROWS, first % ROWS
            here = (_address(rows, group, ROWS * at + row), weight, _address(out, first, to + TILE * tile), 4)
            _beside((*here, taken, out.strides[0], start))
