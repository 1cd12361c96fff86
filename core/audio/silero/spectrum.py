"""From samples to the loudness of bins: four frames at a time, whose sixteen spectra are computed side by side."""

from typing import Any

import numpy as np

from core.audio.frames import CONTEXT, FRAME_SAMPLES
from core.audio.silero.network import HOP, STRETCHES, Bench, Network
from core.audio.silero.winograd import mix
from core.kernels.fourier import loudness
from core.kernels.simd import ROWS, kernel

_END = CONTEXT + FRAME_SAMPLES
_LAST = _END % HOP  # samples of the last stretch


@kernel
def spectra(weights: Network, audio: Any, count: int, bench: Bench) -> None:
    """Of int16 audio (64 + 512 * count,), as the first convolution takes it; where fewer than four frames are left, the
    last comes again."""
    for first in range(0, count, ROWS):
        for lane in range(ROWS):
            frame = min(first + lane, count - 1)
            _line_up(audio[frame * FRAME_SAMPLES :], bench.samples, lane)
        loudness(bench.samples, weights.window, weights.turns, bench.columns, bench.loud)
        mix(bench.loud, bench.mixed[first // ROWS])


@kernel
def _line_up(audio: Any, samples: Any, lane: int) -> None:
    """A frame and what comes before it, by stretches; past its end its last samples come again, backwards."""
    for stretch in range(STRETCHES):
        here = audio[HOP * stretch :]
        for each in range(min(HOP, _END - HOP * stretch)):
            samples[each, ROWS * stretch + lane] = np.float32(here[each])
    for each in range(HOP - _LAST):
        samples[_LAST + each, ROWS * (STRETCHES - 1) + lane] = np.float32(audio[_END - 2 - each])
