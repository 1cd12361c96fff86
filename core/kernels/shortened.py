"""Products of one row with weights of 24 bits, four in the place of three: where weights come from memory that is
slower than the sums, a quarter less of them is a quarter less time.

Of each four vectors of weights, three stand as they are but for their lowest byte, in which the fourth is kept. These
bytes are left where they are: the upper 24 bits are chosen so that together they come nearest to the weight. All
arithmetic is float32, and every machine gets the same weights and sums them in the same order.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from core.kernels.emitter import FLOATS, VECTOR_BYTES, WHOLES, emitted
from core.kernels.floats import F32, Row, dense_row, pack
from core.kernels.simd import LANES, TILE, has_avx512, kernel

_WORDS = 3 * LANES  # that keep 64 weights
_BYTE = 8
_SHIFTS = (24, 16, 8)  # of the bytes that the three keep
_HALF = 1 << _BYTE - 1
_SIGN = np.uint32(1 << 31)
_SHIFTED = "llvm.fshr.v16i32"  # two words side by side, shifted, and the lower one of them

U32 = NDArray[np.uint32]


class _Row(Row):
    """What the first three keep is put together by shifts, from the third's byte to the first's."""

    def _weights_of(self, group: Any) -> list[Any]:
        builder = self._builder
        base = builder.add(self._weights, builder.mul(group, self._number(4 * _WORDS)))
        kept = [self._load(base, VECTOR_BYTES * column, WHOLES) for column in range(3)]
        fourth = ir.Constant(WHOLES, [0] * LANES)
        for words in reversed(kept):
            fourth = builder.call(self._shifted(), [words, fourth, ir.Constant(WHOLES, [_BYTE] * LANES)])
        return [builder.bitcast(words, FLOATS) for words in (*kept, fourth)]

    def _shifted(self) -> Any:
        module = self._builder.module
        return module.globals.get(_SHIFTED) or ir.Function(module, ir.FunctionType(WHOLES, [WHOLES] * 3), _SHIFTED)


_one = emitted(_Row)


def shorten(matrix: F32) -> U32:
    """float32 (outputs, inputs) as uint32 (tiles, inputs, 48)."""
    words = pack(matrix).view(np.uint32)
    fourth = _nearest(words[..., _WORDS:], np.zeros(1, np.uint32))
    kept = np.concatenate([fourth >> shift & 255 for shift in _SHIFTS], axis=2)
    return _nearest(words[..., :_WORDS], kept)


def widen(short: U32) -> F32:
    """The same weights as float32 (tiles, inputs, 64), as other kernels take them."""
    first, second, third = ((words & 255) << shift for words, shift in zip(np.split(short, 3, 2), _SHIFTS, strict=True))
    return np.concatenate([short, first | second | third], axis=2).view(np.float32)


def _nearest(words: U32, lowest: U32) -> U32:
    """The nearest float32 whose lowest byte is that."""
    sign, size = words & _SIGN, (words & ~_SIGN).astype(np.int64)
    upper = np.maximum(size - lowest + _HALF, 0) >> _BYTE << _BYTE
    nearest: U32 = (upper | lowest).astype(np.uint32) | sign
    return nearest


@kernel
def short_row(row: Any, weights: Any, bias: Any, out: Any) -> None:
    """As :func:`core.kernels.floats.dense_row`, of weights as :func:`shorten` gives them."""
    for tile in range(weights.shape[0]):
        shift = 4 * TILE * tile
        here = (row.ctypes.data, weights[tile].ctypes.data, out.ctypes.data + shift, row.strides[0])
        _one((*here, weights.shape[1], 0, bias.ctypes.data + shift))


def keep(matrix: F32) -> U32 | F32:
    """Weights as :data:`kept_row` takes them; the same numbers on every machine."""
    return shorten(matrix) if has_avx512() else widen(shorten(matrix))


kept_row = short_row if has_avx512() else dense_row  # with fewer registers and shifts, four in three would take longer
