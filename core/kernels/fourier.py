"""Spectra of 256 samples by the fast Fourier transform, sixteen of them side by side in the lanes of vectors.

The samples are taken as sixteen columns of sixteen: each column is transformed, turned by its place, and the rows of
what comes out are transformed again. Samples are real, so that of a column's sixteen frequencies nine tell the rest,
and each of the results is the loudness of one bin or of the one that mirrors it. Angles count upwards where the
textbook's count downwards: the loudness is the same.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from core.kernels.emitter import FLOAT, FLOATS, INT32, VECTOR_BYTES, Writer, emitted
from core.kernels.simd import LANES, kernel

SPAN = 256  # samples of a spectrum
BINS = SPAN // 2 + 1
SIDE = 16  # columns, and samples of each
HALF = SIDE // 2
QUARTER = 4  # spectra whose results stand side by side
STEP = LANES + QUARTER  # from one row of samples to the next: see `loudness`
COLUMNS = (HALF + 1) * SIDE * 2 * LANES  # float32 of scratch space
_ROOT = "llvm.sqrt.v16f32"
_FREE = ("contract", "nsz")  # product and sum may be one instruction


class _Wave(NamedTuple):
    """Real and imaginary parts, vectors of sixteen; None: nothing."""

    real: Any
    imaginary: Any


def turns() -> NDArray[np.float32]:
    """float32 (16, 8, 2): cosine and sine by which frequencies 1 to 8 of each column are turned."""
    angles = 2 * np.pi / SPAN * np.outer(np.arange(SIDE), np.arange(1, HALF + 1))
    return np.stack([np.cos(angles), np.sin(angles)], axis=2).astype(np.float32)


class _Loudness(Writer):
    """The whole of it, in two loops; a column of reals and a row of waves fit into 32 registers."""

    def __init__(self, builder: Any, arguments: Any) -> None:
        super().__init__(builder, arguments)
        self._samples, self._window, self._turns, self._columns, self._out = arguments

    def emit(self) -> None:
        """Columns, then rows; that of frequency 0 is real."""
        self._repeat(SIDE, self._column)
        row = [_Wave(self._load(self._columns, 2 * VECTOR_BYTES * each, FLOATS), None) for each in range(SIDE)]
        for each, wave in enumerate(self._sixteen(row)[: HALF + 1]):
            self._tell(wave, self._out, SIDE * each)
        self._repeat(HALF, self._row)

    def _column(self, index: Any) -> None:
        """Of all sixteen spectra."""
        samples, window = self._after(self._samples, index, 4 * STEP), self._after(self._window, index, 4)
        table = self._after(self._turns, index, 4 * 2 * HALF)
        to = self._after(self._columns, index, 2 * VECTOR_BYTES)
        waves = self._sixteen([self._sample(samples, window, each) for each in range(SIDE)])
        self._put(waves[0].real, to, 0)
        for each in range(HALF):
            cosine, sine = (self._spread(self._load(table, 4 * (2 * each + part), FLOAT)) for part in range(2))
            turned = self._turned(waves[each + 1], cosine, sine)
            self._put(turned.real, to, 2 * VECTOR_BYTES * SIDE * (each + 1))
            self._put(turned.imaginary, to, 2 * VECTOR_BYTES * SIDE * (each + 1) + VECTOR_BYTES)

    def _sample(self, samples: Any, window: Any, each: int) -> _Wave:
        """Where a spectrum's second half begins, so does the next one's first: a stretch further."""
        row, beyond = each % HALF, each // HALF
        taken = self._load(samples, 4 * (STEP * SIDE * row + QUARTER * beyond), FLOATS)
        return _Wave(self._times(taken, self._spread(self._load(window, 4 * SIDE * each, FLOAT))), None)

    def _row(self, index: Any) -> None:
        """The same frequency of all columns, of those from 1 to 8. Bins beyond the last mirror one before it."""
        start = self._after(self._columns, self._builder.add(index, self._number(1)), 2 * VECTOR_BYTES * SIDE)
        row = [
            _Wave(*(self._load(start, VECTOR_BYTES * (2 * each + part), FLOATS) for part in range(2)))
            for each in range(SIDE)
        ]
        up, down = self._after(self._out, index, 4 * QUARTER), self._after(self._out, index, -4 * QUARTER)
        for each, wave in enumerate(self._sixteen(row)):
            if each < HALF:
                self._tell(wave, up, 1 + SIDE * each)
            else:
                self._tell(wave, down, SPAN - SIDE * each - 1)

    def _tell(self, wave: _Wave, out: Any, of_bin: int) -> None:
        """Loudness, four spectra at a time."""
        square = self._plus(self._times(wave.real, wave.real), self._times(wave.imaginary, wave.imaginary))
        loud = self._root(square)
        for quarter in range(LANES // QUARTER):
            lanes = ir.Constant(ir.VectorType(INT32, QUARTER), [QUARTER * quarter + each for each in range(QUARTER)])
            part = self._builder.shuffle_vector(loud, loud, lanes)
            self._put(part, out, 4 * QUARTER * (BINS * quarter + of_bin))

    def _root(self, square: Any) -> Any:
        module = self._builder.module
        root = module.globals.get(_ROOT) or ir.Function(module, ir.FunctionType(FLOATS, [FLOATS]), _ROOT)
        return self._builder.call(root, [square])

    def _sixteen(self, values: list[_Wave]) -> list[_Wave]:
        """A transform of sixteen, as four of four, turned, and four of four."""
        first = [self._four(values[each::4]) for each in range(4)]
        results: list[_Wave] = [_Wave(None, None)] * SIDE
        for low in range(4):
            turned = [self._by_sixteenths(first[each][low], each * low) for each in range(4)]
            results[low::4] = self._four(turned)
        return results

    def _by_sixteenths(self, wave: _Wave, count: int) -> _Wave:
        if count == 0:
            return wave
        if 4 * count == SIDE:
            return _Wave(self._minus(None, wave.imaginary), wave.real)
        angle = 2 * np.pi * count / SIDE
        cosine, sine = (
            ir.Constant(FLOATS, [float(np.float32(part))] * LANES) for part in (np.cos(angle), np.sin(angle))
        )
        return self._turned(wave, cosine, sine)

    def _four(self, values: list[_Wave]) -> list[_Wave]:
        a, b, c, d = values
        even, odd = self._both(self._plus, a, c), self._both(self._plus, b, d)
        first, last = self._both(self._minus, a, c), self._both(self._minus, b, d)
        before = _Wave(self._minus(first.real, last.imaginary), self._plus(first.imaginary, last.real))
        after = _Wave(self._plus(first.real, last.imaginary), self._minus(first.imaginary, last.real))
        return [self._both(self._plus, even, odd), before, self._both(self._minus, even, odd), after]

    def _turned(self, wave: _Wave, cosine: Any, sine: Any) -> _Wave:
        real = self._minus(self._times(wave.real, cosine), self._times(wave.imaginary, sine))
        return _Wave(real, self._plus(self._times(wave.real, sine), self._times(wave.imaginary, cosine)))

    def _both(self, what: Any, one: _Wave, other: _Wave) -> _Wave:
        return _Wave(what(one.real, other.real), what(one.imaginary, other.imaginary))

    def _plus(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return other if one is None else one
        return self._builder.fadd(one, other, flags=_FREE)

    def _minus(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return one if other is None else self._builder.fneg(other, flags=_FREE)
        return self._builder.fsub(one, other, flags=_FREE)

    def _times(self, one: Any, other: Any) -> Any:
        return None if one is None else self._builder.fmul(one, other, flags=_FREE)

    def _after(self, address: Any, index: Any, size: int) -> Any:
        return self._builder.add(address, self._builder.mul(index, self._number(size)))

    def _repeat(self, count: int, body: Any) -> None:
        builder = self._builder
        before, turn, after = builder.block, builder.append_basic_block("turn"), builder.append_basic_block("after")
        builder.branch(turn)
        builder.position_at_end(turn)
        index = builder.phi(self._size)
        body(index)
        following = builder.add(index, self._number(1))
        index.add_incoming(self._number(0), before)
        index.add_incoming(following, turn)
        builder.cbranch(builder.icmp_signed("<", following, self._number(count)), turn, after)
        builder.position_at_end(after)


_loudness = emitted(_Loudness)


@kernel
def loudness(samples: Any, window: Any, turn: Any, columns: Any, out: Any) -> None:
    """Of every bin of sixteen spectra: four streams, and of each four spectra that begin 128 samples apart.

    samples float32 (128, 20): in row n, sample n of five stretches of 128, of each four streams; window float32 (256,);
    turn as :func:`turns` gives it; columns float32 (COLUMNS,); out float32 (4 * 129 * 4,): by spectrum, bin and stream.
    """
    _loudness((samples.ctypes.data, window.ctypes.data, turn.ctypes.data, columns.ctypes.data, out.ctypes.data))
