"""Log-mel spectrograms as Whisper takes them: 400 samples every 160, in bands, the lowest 80 dB cut off."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.kernels.bits import highest_of, log_of_two
from core.kernels.power import BINS, COLUMNS, HOP, LENGTH, SPAN, STEP, STRETCHES, power
from core.kernels.simd import LANES, kernel
from core.kernels.waves import turns_of

F32 = NDArray[np.float32]
HALF = SPAN // 2  # a spectrum's middle is where its frame begins

_FULL = np.float32(1 / 32768)  # samples are whole numbers
_LEAST = np.float32(1e-10)
_LOG10_2 = np.float32(0.30103)
_RANGE = np.float32(8)  # powers of ten
_SHIFT = np.float32(4)


class Bands(NamedTuple):
    """weights float32 (bands, 201), of which those from ``first`` to before ``last``, int64 (bands,), are not zero;
    window float32 (400,); turns as the transform takes them."""

    weights: F32
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    window: F32
    turns: F32


def bands(weights: F32) -> Bands:
    """Of a bank of filters: float32 (bands, 201)."""
    used = weights != 0
    first, last = used.argmax(axis=1), BINS - used[:, ::-1].argmax(axis=1)
    window = np.hanning(SPAN + 1)[:-1].astype(np.float32) * _FULL
    return Bands(
        np.ascontiguousarray(weights), first, np.where(used.any(axis=1), last, first), window, turns_of(LENGTH)
    )


@kernel
def log_mel(pcm: Any, bank: Bands, out: Any) -> None:
    """Of int16 audio (samples,) followed by silence: float32 (bands, frames)."""
    frames = out.shape[1]
    heard = min(frames, (len(pcm) + HALF + HOP - 1) // HOP)  # after these a spectrum reaches no sample
    samples, columns = np.zeros((HOP, STEP), np.float32), np.zeros(COLUMNS, np.float32)
    loud = np.zeros((BINS, LANES), np.float32)
    for first in range(0, heard, LANES):
        _line_up(pcm, first, HOP * frames, samples)
        power(samples, bank.window, bank.turns, columns, loud)
        _gather(bank, loud, out, first, min(LANES, frames - first))
    _level(out, heard)


@kernel
def _line_up(pcm: Any, first: int, whole: int, samples: Any) -> None:
    """Eighteen stretches of 160 samples beside each other. Before the first and after the last of ``whole`` samples
    they come again, backwards."""
    count = len(pcm)
    for stretch in range(LANES + STRETCHES - 1):
        begin = HOP * (first + stretch) - HALF
        if begin >= 0 and begin + HOP <= count:
            here = pcm[begin:]
            for each in range(HOP):
                samples[each, stretch] = np.float32(here[each])
        else:
            for each in range(HOP):
                at = abs(begin + each)
                at = at if at < whole else 2 * whole - 2 - at
                samples[each, stretch] = np.float32(pcm[at]) if 0 <= at < count else np.float32(0)


@kernel
def _gather(bank: Bands, loud: Any, out: Any, first: int, count: int) -> None:
    """Bins to bands, and their logarithms, of sixteen frames."""
    total = np.zeros(LANES, np.float32)
    for band in range(out.shape[0]):
        total[:] = 0
        for each in range(bank.first[band], bank.last[band]):
            weight, here = bank.weights[band, each], loud[each]
            for lane in range(LANES):
                total[lane] += weight * here[lane]
        for lane in range(LANES):
            total[lane] = log_of_two(max(total[lane], _LEAST)) * _LOG10_2
        to = out[band][first:]
        for lane in range(count):
            to[lane] = total[lane]


@kernel
def _level(out: Any, heard: int) -> None:
    """Nothing is 80 dB below the highest. What was not heard is the least there is."""
    highest = log_of_two(_LEAST) * _LOG10_2
    for band in range(out.shape[0]):
        out[band][heard:] = highest
    for band in range(out.shape[0]):
        highest = max(highest, highest_of(out[band], out.shape[1]))
    for band in range(out.shape[0]):
        row = out[band]
        for frame in range(len(row)):
            row[frame] = (max(row[frame], highest - _RANGE) + _SHIFT) / _SHIFT
