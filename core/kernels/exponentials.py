"""Exponentials of scores, sixteen at a time: their sum, and their size in 8 bits, before they leave the registers.

Products and sums are fused where that is written here and nowhere else: every machine gets the same numbers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from core.kernels.bits import LOG2_E, MANTISSA_BITS, POWER_OF_TWO, WHOLE, highest_of
from core.kernels.emitter import FLOATS, VECTOR_BYTES, WHOLES, Writer, emitted
from core.kernels.simd import LANES, kernel

TOP = 255  # what the likeliest one's share becomes in 8 bits
_LEAST = -126.0  # the smallest power of two that is no exception
_NOTHING = np.float32(-3e38)  # as a score: below all
_FUSED = "llvm.fma.v16f32"
_BYTES = ir.VectorType(ir.IntType(8), LANES)


class _Exponentials(Writer):
    """Addresses and vectors go up together; the sums stay in one register."""

    def __init__(self, builder: Any, arguments: Any) -> None:
        super().__init__(builder, arguments)
        self._scores, self._vectors, self._highest, *self._more = arguments

    def emit(self) -> Any:
        """The sum of all, lane by lane and then across: always in one order."""
        builder, highest = self._builder, self._spread(self._highest)
        before, turn, after = builder.block, builder.append_basic_block("turn"), builder.append_basic_block("after")
        builder.branch(turn)
        builder.position_at_end(turn)
        index, sums = builder.phi(self._size), builder.phi(FLOATS)
        value = self._exponential(index, highest)
        self._keep(index, value)
        following, added = builder.add(index, self._number(1)), builder.fadd(sums, value)
        for phi, first, next_one in ((index, self._number(0), following), (sums, self._every(0.0), added)):
            phi.add_incoming(first, before)
            phi.add_incoming(next_one, turn)
        builder.cbranch(builder.icmp_signed("<", following, self._vectors), turn, after)
        builder.position_at_end(after)
        return self._across(added)

    def _exponential(self, index: Any, highest: Any) -> Any:
        builder = self._builder
        score = self._load(self._after(self._scores, index, VECTOR_BYTES), 0, FLOATS)
        power = builder.fmul(builder.fsub(score, highest), self._every(float(LOG2_E)))
        least = self._every(_LEAST)
        return self._power_of_two(builder.select(builder.fcmp_ordered(">", power, least), power, least))

    def _power_of_two(self, power: Any) -> Any:
        """See :func:`core.kernels.bits.power_of_two`."""
        builder, whole = self._builder, self._every(float(WHOLE))
        shifted = builder.fadd(power, whole)
        rest = builder.fsub(power, builder.fsub(shifted, whole))
        value = self._every(float(POWER_OF_TWO[-1]))
        for factor in reversed(POWER_OF_TWO[:-1]):
            value = self._fused(rest, value, self._every(float(factor)))
        moved = builder.shl(builder.bitcast(shifted, WHOLES), ir.Constant(WHOLES, [MANTISSA_BITS] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(value, WHOLES), moved), FLOATS)

    def _keep(self, index: Any, value: Any) -> None:
        """In the score's place."""
        self._put(value, self._after(self._scores, index, VECTOR_BYTES), 0)

    def _across(self, sums: Any) -> Any:
        nothing, lanes = ir.Constant(FLOATS, ir.Undefined), LANES
        while lanes > 1:
            lanes //= 2
            order = ir.Constant(WHOLES, [(lane + lanes) % LANES for lane in range(LANES)])
            sums = self._builder.fadd(sums, self._builder.shuffle_vector(sums, nothing, order))
        return self._builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    def _fused(self, one: Any, other: Any, more: Any) -> Any:
        module = self._builder.module
        kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
        fused = module.globals.get(_FUSED) or ir.Function(module, kind, _FUSED)
        return self._builder.call(fused, [one, other, more])


class _Sum(_Exponentials):
    """Nobody wants them, only their sum."""

    def _keep(self, index: Any, value: Any) -> None:
        pass


class _Shares(_Exponentials):
    """Each also in 8 bits, rounded up from a place of its own on."""

    def _keep(self, index: Any, value: Any) -> None:
        super()._keep(index, value)
        builder, (shares, steps) = self._builder, self._more
        step = self._load(self._after(steps, index, VECTOR_BYTES), 0, FLOATS)
        share = builder.fptosi(self._fused(value, self._every(float(TOP)), step), WHOLES)
        self._put(builder.trunc(share, _BYTES), self._after(shares, index, LANES), 0)


_exponentials = emitted(_Exponentials, gives=types.float32)
_sum = emitted(_Sum, gives=types.float32)
_shares = emitted(_Shares, gives=types.float32)


@kernel
def _filled(scores: Any, count: int) -> int:
    """How many vectors: of what fills the last one, nothing is left."""
    vectors = (count + LANES - 1) // LANES
    for index in range(count, vectors * LANES):
        scores[index] = _NOTHING
    return vectors


@kernel
def exponentials(scores: Any, count: int) -> Any:
    """Replace the first ``count`` scores by exp(score - highest); their sum. Has room up to the next multiple of 16."""
    highest = highest_of(scores, count)
    return _exponentials((scores.ctypes.data, _filled(scores, count), highest))


@kernel
def log_total(scores: Any, count: int) -> Any:
    """The logarithm of the sum of exponentials of the first ``count`` scores. Overwrites those up to the next multiple
    of 16, for which there is room."""
    highest = highest_of(scores, count)
    total = _sum((scores.ctypes.data, _filled(scores, count), highest))
    return highest + np.float32(np.log(total))


@kernel
def shares_of(scores: Any, count: int, steps: Any, shares: Any) -> Any:
    """As :func:`exponentials`, and each of them times 255 to 8 bits: ``steps`` float32 in [0, 1) says from what rest on
    it is rounded up (1 less it). Room as there, in all three; shares up to there are 0."""
    highest = highest_of(scores, count)
    vectors = _filled(scores, count)
    return _shares((scores.ctypes.data, vectors, highest, shares.ctypes.data, steps.ctypes.data))
