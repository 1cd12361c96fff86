"""The one inner loop of the kernels: 8-bit products summed into 32 bits, a tile of 64 outputs of four rows at a time.

Where the processor has AVX-512 VNNI, one instruction does 64 products. Elsewhere the same sums are written as a loop
that the compiler vectorises as it can; sums of integers are exact, so every machine gets the same numbers. What
becomes of the sums is computed before they leave the registers: written out first, they would take as long again.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from core.engines.native.simd import GROUP, ROWS, TILE, has_vnni, kernel

_INT32, _FLOAT = ir.IntType(32), ir.FloatType()
_VECTOR, _FLOATS = ir.VectorType(_INT32, 16), ir.VectorType(_FLOAT, 16)
_DOT = "llvm.x86.avx512.vpdpbusd.512"
_COLUMNS = TILE // 16
_VECTOR_BYTES = 64
_AROUND_BITS = 7  # unsigned inputs stand around 128


class _Loop:
    """Builds the loop over groups of inputs: sixteen sums in registers, four weights and four inputs a turn."""

    signed_rows = False

    def __init__(self, builder: Any, arguments: Any) -> None:
        self._builder = builder
        self._rows, self._weights, self._out, self._stride, self._groups, *self._more = arguments
        self._size = self._groups.type

    def emit(self) -> None:
        builder = self._builder
        before = builder.block
        body, after = builder.append_basic_block("groups"), builder.append_basic_block("done")
        builder.branch(body)
        builder.position_at_end(body)
        group = builder.phi(self._size)
        group.add_incoming(self._number(0), before)
        sums = [[builder.phi(_VECTOR) for _ in range(_COLUMNS)] for _ in range(ROWS)]
        added = self._turn(group, sums)
        following = builder.add(group, self._number(1))
        group.add_incoming(following, body)
        for row in range(ROWS):
            for column in range(_COLUMNS):
                sums[row][column].add_incoming(ir.Constant(_VECTOR, [0] * 16), before)
                sums[row][column].add_incoming(added[row][column], body)
        builder.cbranch(builder.icmp_signed("<", following, self._groups), body, after)
        builder.position_at_end(after)
        self._store(added)

    def _turn(self, group: Any, sums: list[list[Any]]) -> list[list[Any]]:
        builder = self._builder
        base = builder.add(self._weights, builder.mul(group, self._number(TILE * GROUP)))
        weights = [self._load(base, _VECTOR_BYTES * column, _VECTOR) for column in range(_COLUMNS)]
        added = []
        for row in range(ROWS):
            start = builder.add(self._rows, builder.mul(self._stride, self._number(row)))
            inputs = self._spread(self._load(builder.add(start, builder.mul(group, self._number(GROUP))), 0, _INT32))
            added.append([self._dot(sums[row][column], inputs, weights[column]) for column in range(_COLUMNS)])
        return added

    def _dot(self, total: Any, inputs: Any, weights: Any) -> Any:
        """The instruction takes its unsigned operand first."""
        module = self._builder.module
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        dot = module.globals.get(_DOT) or ir.Function(module, kind, _DOT)
        operands = [weights, inputs] if self.signed_rows else [inputs, weights]
        return self._builder.call(dot, [total, *operands])

    def _store(self, sums: list[list[Any]]) -> None:
        """int32 (4, 64)."""
        for row in range(ROWS):
            for column in range(_COLUMNS):
                self._put(sums[row][column], self._out, 4 * (row * TILE + column * 16))

    def _spread(self, one: Any) -> Any:
        kind = ir.VectorType(one.type, 16)
        nothing = ir.Constant(kind, ir.Undefined)
        first = self._builder.insert_element(nothing, one, ir.Constant(_INT32, 0))
        return self._builder.shuffle_vector(first, nothing, ir.Constant(_VECTOR, [0] * 16))

    def _load(self, address: Any, offset: int, kind: Any) -> Any:
        place = self._builder.add(address, self._number(offset))
        return self._builder.load(self._builder.inttoptr(place, kind.as_pointer()), align=1)

    def _put(self, value: Any, address: Any, offset: int) -> None:
        place = self._builder.add(address, self._number(offset))
        self._builder.store(value, self._builder.inttoptr(place, value.type.as_pointer()), align=1)

    def _number(self, value: int) -> Any:
        return ir.Constant(self._size, value)


class _SignedLoop(_Loop):
    signed_rows = True


class _Scores(_SignedLoop):
    """float32 rows: each sum times its row's scale."""

    def _store(self, sums: list[list[Any]]) -> None:
        builder, (stride, row_scale) = self._builder, self._more
        for row in range(ROWS):
            start = builder.add(self._out, builder.mul(stride, self._number(row)))
            factor = self._spread(self._load(row_scale, 4 * row, _FLOAT))
            for column in range(_COLUMNS):
                value = builder.fmul(builder.sitofp(sums[row][column], _FLOATS), factor)
                self._put(value, start, _VECTOR_BYTES * column)


class _Projected(_Loop):
    """float32 rows of a linear layer: less what 128 has added to each input, times both scales, and the bias."""

    def _store(self, sums: list[list[Any]]) -> None:
        builder, (stride, row_scale, totals, scale, bias) = self._builder, self._more
        shift = ir.Constant(_VECTOR, [_AROUND_BITS] * 16)
        for column in range(_COLUMNS):
            at = _VECTOR_BYTES * column
            surplus = builder.shl(self._load(totals, at, _VECTOR), shift)
            scales, biases = self._load(scale, at, _FLOATS), self._load(bias, at, _FLOATS)
            for row in range(ROWS):
                start = builder.add(self._out, builder.mul(stride, self._number(row)))
                factor = builder.fmul(self._spread(self._load(row_scale, 4 * row, _FLOAT)), scales)
                exact = builder.sitofp(builder.sub(sums[row][column], surplus), _FLOATS)
                self._put(builder.fadd(builder.fmul(exact, factor), biases), start, at)


def _compiled(loop: type[_Loop]) -> Any:
    """A function of one tuple: addresses, strides in bytes and the count of groups, as the loop takes them."""

    @intrinsic
    def run(_context: Any, numbers: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            count = len(numbers)
            loop(builder, [builder.extract_value(arguments[0], at) for at in range(count)]).emit()
            return context.get_dummy_value()

        return types.void(numbers), generate

    return run


def _vector_sums(*, signed_rows: bool) -> Any:
    loop = _compiled(_SignedLoop if signed_rows else _Loop)

    @njit(inline="always")
    def multiply(rows: Any, first: int, weights: Any, sums: Any, groups: int) -> None:
        start, stride = rows.ctypes.data + first * rows.strides[0], rows.strides[0]
        loop((start, weights.ctypes.data, sums.ctypes.data, stride, groups))

    return multiply


def _vector_scores() -> Any:
    loop = _compiled(_Scores)

    @njit(inline="always")
    def score(rows: Any, first: int, weights: Any, row_scale: Any, y: Any, at: int, sums: Any) -> None:  # noqa: ARG001  sums: for the plain one
        start, out = rows.ctypes.data + first * rows.strides[0], y.ctypes.data + first * y.strides[0] + 4 * at
        scale = row_scale.ctypes.data + 4 * first
        loop((start, weights.ctypes.data, out, rows.strides[0], weights.shape[0], y.strides[0], scale))

    return score


def _vector_project() -> Any:
    loop = _compiled(_Projected)

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
