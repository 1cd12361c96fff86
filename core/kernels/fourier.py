"""Spectra of 256 samples by the fast Fourier transform, sixteen of them side by side: see :mod:`core.kernels.waves`."""

from typing import Any

from llvmlite import ir

from core.kernels.emitter import FLOATS, INT32, emitted
from core.kernels.simd import LANES, kernel
from core.kernels.waves import SIDE, Spectrum, Wave, columns_of

SPAN = 256  # samples of a spectrum
BINS = SPAN // 2 + 1
LENGTH = SPAN // SIDE  # of a column
QUARTER = 4  # spectra whose results stand side by side
STEP = LANES + QUARTER  # from one row of samples to the next: see `loudness`
COLUMNS = columns_of(LENGTH)
_ROOT = "llvm.sqrt.v16f32"


class _Loudness(Spectrum):
    """A column of reals and a row of waves fit into 32 registers."""

    length, row_bytes, bin_bytes = LENGTH, 4 * STEP, 4 * QUARTER

    def _place(self, each: int) -> int:
        """Where a spectrum's second half begins, so does the next one's first: a stretch further."""
        half = LENGTH // 2
        return 4 * (STEP * SIDE * (each % half) + QUARTER * (each // half))

    def _transformed(self, values: list[Wave]) -> list[Wave]:
        return self._sixteen(values)

    def _tell(self, wave: Wave, out: Any, of_bin: int) -> None:
        """Loudness, four spectra at a time."""
        loud = self._root(self._square(wave))
        for quarter in range(LANES // QUARTER):
            lanes = ir.Constant(ir.VectorType(INT32, QUARTER), [QUARTER * quarter + each for each in range(QUARTER)])
            part = self._builder.shuffle_vector(loud, loud, lanes)
            self._put(part, out, 4 * QUARTER * (BINS * quarter + of_bin))

    def _root(self, square: Any) -> Any:
        module = self._builder.module
        root = module.globals.get(_ROOT) or ir.Function(module, ir.FunctionType(FLOATS, [FLOATS]), _ROOT)
        return self._builder.call(root, [square])


_loudness = emitted(_Loudness)


@kernel
def loudness(samples: Any, window: Any, turn: Any, columns: Any, out: Any) -> None:
    """Of every bin of sixteen spectra: four streams, and of each four spectra that begin 128 samples apart.

    samples float32 (128, 20): in row n, sample n of five stretches of 128, of each four streams; window float32 (256,);
    turn as :func:`core.kernels.waves.turns_of` gives it for 16; columns float32 (COLUMNS,); out float32 (4 * 129 * 4,):
    by spectrum, bin and stream.
    """
    _loudness((samples.ctypes.data, window.ctypes.data, turn.ctypes.data, columns.ctypes.data, out.ctypes.data))
