"""The one inner loop of the kernels: 8-bit products summed into 32 bits, a tile of 64 outputs of four rows at a time.

Where the processor has AVX-512 VNNI, one instruction does 64 products. Elsewhere the same sums are written as a loop
that the compiler vectorises as it can; sums of integers are exact, so every machine gets the same numbers. What
becomes of the sums is computed before they leave the registers: written out first, they would take as long again.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit

from core.kernels.emitter import FLOAT, FLOATS, INT32, VECTOR_BYTES, WHOLES, Emitter, emitted
from core.kernels.simd import GROUP, ROWS, TILE, has_vnni, kernel

_DOT = "llvm.x86.avx512.vpdpbusd.512"
_AROUND_BITS = 7  # unsigned inputs stand around 128


class _Loop(Emitter):
    """Sixteen sums in registers, four weights and four inputs a turn."""

    signed_rows = False

    def _turn(self, group: Any, sums: list[list[Any]]) -> list[list[Any]]:
        builder = self._builder
        base = builder.add(self._weights, builder.mul(group, self._number(TILE * GROUP)))
        weights = [self._load(base, VECTOR_BYTES * column, WHOLES) for column in range(self.columns)]
        added = []
        for row in range(ROWS):
            start = builder.add(self._rows, builder.mul(self._stride, self._number(row)))
            inputs = self._spread(self._load(builder.add(start, builder.mul(group, self._number(GROUP))), 0, INT32))
            added.append([self._dot(sums[row][column], inputs, weights[column]) for column in range(self.columns)])
        return added

    def _dot(self, total: Any, inputs: Any, weights: Any) -> Any:
        """The instruction takes its unsigned operand first."""
        module = self._builder.module
        kind = ir.FunctionType(WHOLES, [WHOLES] * 3)
        dot = module.globals.get(_DOT) or ir.Function(module, kind, _DOT)
        operands = [weights, inputs] if self.signed_rows else [inputs, weights]
        return self._builder.call(dot, [total, *operands])


class _SignedLoop(_Loop):
    signed_rows = True


class _Scores(_SignedLoop):
    """float32 rows: each sum times its row's scale."""

    def _store(self, sums: list[list[Any]]) -> None:
        builder, (stride, row_scale) = self._builder, self._more
        for row in range(ROWS):
            start = builder.add(self._out, builder.mul(stride, self._number(row)))
            factor = self._spread(self._load(row_scale, 4 * row, FLOAT))
            for column in range(self.columns):
                value = builder.fmul(builder.sitofp(sums[row][column], FLOATS), factor)
                self._put(value, start, VECTOR_BYTES * column)


class _Projected(_Loop):
    """float32 rows of a linear layer: less what 128 has added to each input, times both scales, and the bias."""

    def _store(self, sums: list[list[Any]]) -> None:
        builder, (stride, row_scale, totals, scale, bias) = self._builder, self._more
        shift = ir.Constant(WHOLES, [_AROUND_BITS] * 16)
        for column in range(self.columns):
            at = VECTOR_BYTES * column
            surplus = builder.shl(self._load(totals, at, WHOLES), shift)
            scales, biases = self._load(scale, at, FLOATS), self._load(bias, at, FLOATS)
            for row in range(ROWS):
                start = builder.add(self._out, builder.mul(stride, self._number(row)))
                factor = builder.fmul(self._spread(self._load(row_scale, 4 * row, FLOAT)), scales)
                exact = builder.sitofp(builder.sub(sums[row][column], surplus), FLOATS)
                self._put(builder.fadd(builder.fmul(exact, factor), biases), start, at)


def _vector_sums(*, signed_rows: bool) -> Any:
    loop = emitted(_SignedLoop if signed_rows else _Loop)

    @njit(inline="always")
    def multiply(rows: Any, first: int, weights: Any, sums: Any, groups: int) -> None:
        start, stride = rows.ctypes.data + first * rows.strides[0], rows.strides[0]
        loop((start, weights.ctypes.data, sums.ctypes.data, stride, groups))

    return multiply


def _vector_scores() -> Any:
    loop = emitted(_Scores)

    @njit(inline="always")
    def score(rows: Any, first: int, weights: Any, row_scale: Any, y: Any, at: int, sums: Any) -> None:  # noqa: ARG001  sums: for the plain one
        start, out = rows.ctypes.data + first * rows.strides[0], y.ctypes.data + first * y.strides[0] + 4 * at
        scale = row_scale.ctypes.data + 4 * first
        loop((start, weights.ctypes.data, out, rows.strides[0], weights.shape[0], y.strides[0], scale))

    return score


def _vector_project() -> Any:
    loop = emitted(_Projected)

    @njit(inline="always")
    def project(rows: Any, first: int, weights: Any, row_scale: Any, layer: Any, y: Any, at: int, sums: Any) -> None:  # noqa: ARG001  sums: for the plain one
        totals, scale, bias = layer
        start, out = rows.ctypes.data + first * rows.strides[0], y.ctypes.data + first * y.strides[0] + 4 * at
        here = (start, weights.ctypes.data, out, rows.strides[0], weights.shape[0], y.strides[0])
        there = (totals.ctypes.data + 4 * at, scale.ctypes.data + 4 * at, bias.ctypes.data + 4 * at)
        loop((*here, row_scale.ctypes.data + 4 * first, *there))

    return project


@kernel
def plain_sums(rows: Any, first: int, weights: Any, sums: Any, groups: int) -> None:
    """What the vector loop computes, in words that any processor has."""
    for row in range(ROWS):
        for output in range(TILE):
            sums[row, output] = 0
    for group in range(groups):
        for row in range(ROWS):
            for part in range(GROUP):
                value = int(rows[first + row, group * GROUP + part])
                for output in range(TILE):
                    sums[row, output] += value * int(weights[group, output, part])


@kernel
def plain_score(rows: Any, first: int, weights: Any, row_scale: Any, y: Any, at: int, sums: Any) -> None:
    """Likewise."""
    plain_sums(rows, first, weights, sums, weights.shape[0])
    for row in range(ROWS):
        for output in range(TILE):
            y[first + row, at + output] = np.float32(sums[row, output]) * row_scale[first + row]


@kernel
def plain_project(rows: Any, first: int, weights: Any, row_scale: Any, layer: Any, y: Any, at: int, sums: Any) -> None:
    """Likewise."""
    totals, scale, bias = layer
    plain_sums(rows, first, weights, sums, weights.shape[0])
    for row in range(ROWS):
        for output in range(TILE):
            exact = np.float32(sums[row, output] - 128 * totals[at + output])
            factor = row_scale[first + row] * scale[at + output]
            y[first + row, at + output] = exact * factor + bias[at + output]


# From row `first` on, four rows. rows (n + 3, 4 * groups); weights (groups, 64, 4); sums int32 (4, 64).
multiply_unsigned = _vector_sums(signed_rows=False) if has_vnni() else plain_sums  # rows uint8, weights int8
# y[first:first + 4, at:at + 64] = rows . weights * row_scale; rows int8, weights uint8, row_scale float32 (n + 3,)
score_tile = _vector_scores() if has_vnni() else plain_score
# The same of a linear layer: rows uint8, weights int8; layer: sums int32, scale and bias float32 (outputs,)
project_tile = _vector_project() if has_vnni() else plain_project
