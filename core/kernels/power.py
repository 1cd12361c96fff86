"""Power spectra of 400 samples, sixteen of them side by side: see :mod:`core.kernels.waves`."""

from typing import Any

import numpy as np

from core.kernels.emitter import emitted
from core.kernels.simd import LANES, kernel
from core.kernels.waves import SIDE, Spectrum, Wave, columns_of

SPAN = 400  # samples of a spectrum
HOP = 160  # from one spectrum to the next
BINS = SPAN // 2 + 1
LENGTH = SPAN // SIDE  # of a column
STRETCHES = -(-SPAN // HOP)  # of HOP samples that a spectrum reaches into
STEP = LANES + STRETCHES - 1  # from one row of samples to the next: see `power`
COLUMNS = columns_of(LENGTH)


class _Power(Spectrum):
    """A column is odd: its samples are paired from both ends, and each pair's sum and difference taken once."""

    length, row_bytes, bin_bytes = LENGTH, 4 * STEP, 4 * LANES

    def _place(self, each: int) -> int:
        """Ten of a column's samples stand in one stretch."""
        rows = HOP // SIDE
        return 4 * (STEP * SIDE * (each % rows) + each // rows)

    def _transformed(self, values: list[Wave]) -> list[Wave]:
        first, pairs = values[0].real, [(values[at].real, values[-at].real) for at in range(1, LENGTH // 2 + 1)]
        sums, differences = [self._plus(*pair) for pair in pairs], [self._minus(*pair) for pair in pairs]
        return [
            Wave(self._turning(first, sums, np.cos, each), self._turning(None, differences, np.sin, each))
            for each in range(LENGTH // 2 + 1)
        ]

    def _turning(self, total: Any, values: list[Any], part: Any, frequency: int) -> Any:
        for at, value in enumerate(values, start=1):
            factor = float(np.float32(part(2 * np.pi * (at * frequency % LENGTH) / LENGTH)))
            if factor:
                total = self._plus(total, self._times(value, self._every(factor)))
        return total

    def _tell(self, wave: Wave, out: Any, of_bin: int) -> None:
        self._put(self._square(wave), out, 4 * LANES * of_bin)


_power = emitted(_Power)


@kernel
def power(samples: Any, window: Any, turn: Any, columns: Any, out: Any) -> None:
    """Of every bin of sixteen spectra that begin 160 samples apart.

    samples float32 (160, 18): in row n, sample n of eighteen stretches of 160; window float32 (400,); turn as
    :func:`core.kernels.waves.turns_of` gives it for 25; columns float32 (COLUMNS,); out float32 (201, 16).
    """
    _power((samples.ctypes.data, window.ctypes.data, turn.ctypes.data, columns.ctypes.data, out.ctypes.data))
