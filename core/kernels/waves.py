"""What fast Fourier transforms are made of, for sixteen of them side by side in the lanes of vectors.

Samples are taken as sixteen columns: each column is transformed, turned by its place, and the rows of what comes out
are transformed again. Samples are real, so half of a column's frequencies tell the rest, and each result is one bin or
the one that mirrors it. Angles count upwards where the textbook's count downwards: loudness is the same.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernels.emitter import FLOAT, FLOATS, VECTOR_BYTES, Writer
from core.kernels.simd import LANES

SIDE = 16  # columns
_FREE = ("contract", "nsz")  # product and sum may be one instruction


class Wave(NamedTuple):
    """Real and imaginary parts, vectors of sixteen; None: nothing."""

    real: Any
    imaginary: Any


def columns_of(length: int) -> int:
    """float32 of scratch space for columns of so many samples."""
    return (length // 2 + 1) * SIDE * 2 * LANES


def turns_of(length: int) -> NDArray[np.float32]:
    """float32 (16, length / 2, 2): cosine and sine by which frequencies 1 and on of each column are turned."""
    angles = 2 * np.pi / (SIDE * length) * np.outer(np.arange(SIDE), np.arange(1, length // 2 + 1))
    return np.stack([np.cos(angles), np.sin(angles)], axis=2).astype(np.float32)


class Waves(Writer):
    """Arithmetic of waves, and loops."""

    def _sixteen(self, values: list[Wave]) -> list[Wave]:
        """A transform of sixteen, as four of four, turned, and four of four."""
        first = [self._four(values[each::4]) for each in range(4)]
        results: list[Wave] = [Wave(None, None)] * SIDE
        for low in range(4):
            turned = [self._by_sixteenths(first[each][low], each * low) for each in range(4)]
            results[low::4] = self._four(turned)
        return results

    def _by_sixteenths(self, wave: Wave, count: int) -> Wave:
        if count == 0:
            return wave
        if 4 * count == SIDE:
            return Wave(self._minus(None, wave.imaginary), wave.real)
        angle = 2 * np.pi * count / SIDE
        cosine, sine = (self._every(float(np.float32(part))) for part in (np.cos(angle), np.sin(angle)))
        return self._turned(wave, cosine, sine)

    def _four(self, values: list[Wave]) -> list[Wave]:
        a, b, c, d = values
        even, odd = self._both(self._plus, a, c), self._both(self._plus, b, d)
        first, last = self._both(self._minus, a, c), self._both(self._minus, b, d)
        before = Wave(self._minus(first.real, last.imaginary), self._plus(first.imaginary, last.real))
        after = Wave(self._plus(first.real, last.imaginary), self._minus(first.imaginary, last.real))
        return [self._both(self._plus, even, odd), before, self._both(self._minus, even, odd), after]

    def _turned(self, wave: Wave, cosine: Any, sine: Any) -> Wave:
        real = self._minus(self._times(wave.real, cosine), self._times(wave.imaginary, sine))
        return Wave(real, self._plus(self._times(wave.real, sine), self._times(wave.imaginary, cosine)))

    def _both(self, what: Any, one: Wave, other: Wave) -> Wave:
        return Wave(what(one.real, other.real), what(one.imaginary, other.imaginary))

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


class Spectrum(Waves):
    """The whole of it, in two loops. Arguments: addresses of samples, window, turns, columns and results."""

    length: int  # of a column, in samples
    row_bytes: int  # from one row of samples to the next
    bin_bytes: int  # from one bin of the results to the next

    def __init__(self, builder: Any, arguments: Any) -> None:
        super().__init__(builder, arguments)
        self._samples, self._window, self._turns, self._columns, self._out = arguments
        self._half = self.length // 2

    def emit(self) -> None:
        """Columns, then rows; that of frequency 0 is real."""
        self._repeat(SIDE, self._column)
        row = [Wave(self._load(self._columns, 2 * VECTOR_BYTES * each, FLOATS), None) for each in range(SIDE)]
        for each, wave in enumerate(self._sixteen(row)[: SIDE // 2 + 1]):
            self._tell(wave, self._out, self.length * each)
        self._repeat(self._half, self._row)

    def _place(self, each: int) -> int:
        """Where sample ``each`` of the first column stands, in bytes."""
        raise NotImplementedError

    def _transformed(self, values: list[Wave]) -> list[Wave]:
        """A column's frequencies up to the middle at least."""
        raise NotImplementedError

    def _tell(self, wave: Wave, out: Any, of_bin: int) -> None:
        """Write what becomes of a bin."""
        raise NotImplementedError

    def _column(self, index: Any) -> None:
        """Of all sixteen spectra."""
        samples, window = self._after(self._samples, index, self.row_bytes), self._after(self._window, index, 4)
        table = self._after(self._turns, index, 4 * 2 * self._half)
        to = self._after(self._columns, index, 2 * VECTOR_BYTES)
        waves = self._transformed([self._sample(samples, window, each) for each in range(self.length)])
        self._put(waves[0].real, to, 0)
        for each in range(self._half):
            cosine, sine = (self._spread(self._load(table, 4 * (2 * each + part), FLOAT)) for part in range(2))
            turned = self._turned(waves[each + 1], cosine, sine)
            self._put(turned.real, to, 2 * VECTOR_BYTES * SIDE * (each + 1))
            self._put(turned.imaginary, to, 2 * VECTOR_BYTES * SIDE * (each + 1) + VECTOR_BYTES)

    def _sample(self, samples: Any, window: Any, each: int) -> Wave:
        taken = self._load(samples, self._place(each), FLOATS)
        return Wave(self._times(taken, self._spread(self._load(window, 4 * SIDE * each, FLOAT))), None)

    def _row(self, index: Any) -> None:
        """The same frequency of all columns, of those from 1 on. Bins beyond the last mirror one before it."""
        start = self._after(self._columns, self._builder.add(index, self._number(1)), 2 * VECTOR_BYTES * SIDE)
        row = [
            Wave(*(self._load(start, VECTOR_BYTES * (2 * each + part), FLOATS) for part in range(2)))
            for each in range(SIDE)
        ]
        up, down = (self._after(self._out, index, sign * self.bin_bytes) for sign in (1, -1))
        for each, wave in enumerate(self._sixteen(row)):
            if each < SIDE // 2:
                self._tell(wave, up, 1 + self.length * each)
            else:
                self._tell(wave, down, self.length * (SIDE - each) - 1)

    def _square(self, wave: Wave) -> Any:
        return self._plus(self._times(wave.real, wave.real), self._times(wave.imaginary, wave.imaginary))
