"""The network itself. Rows are summed in one order each, so a frame's number does not depend on its neighbours'."""

from typing import Any

import numpy as np

from core.audio.frames import FRAME_SAMPLES, Probabilities
from core.audio.silero.network import (
    BLOCK,
    CHANNELS,
    WIDTH,
    Bench,
    Layer,
    Network,
    network,
    new_bench,
)
from core.audio.silero.spectrum import spectra
from core.audio.silero.winograd import PRODUCTS, part
from core.kernels.bits import LOG2_E, power_of_two
from core.kernels.floats import dense, dense_columns
from core.kernels.fourier import BINS
from core.kernels.shortened import kept_row
from core.kernels.simd import add_up, kernel
from core.models import Pcm


class Detector:
    """The network with the state of one stream."""

    def __init__(self) -> None:
        self._network, self._bench = network(), new_bench()

    def judge(self, audio: Pcm, found: Probabilities) -> None:
        """Write probabilities, float32 (frames,), of audio (64 + 512 * frames,): 64 samples of what came before."""
        judge(self._network, audio, found, self._bench)

    def forget(self) -> None:
        """As at a stream's beginning."""
        self._bench.hidden[:] = self._bench.cell[:] = 0


@kernel
def judge(weights: Network, audio: Any, found: Any, bench: Bench) -> None:
    """Probabilities of speech, float32 (frames,), of int16 audio (64 + 512 * frames,); the state goes on."""
    for start in range(0, len(found), BLOCK):
        count = min(BLOCK, len(found) - start)
        spectra(weights, audio[start * FRAME_SAMPLES :], count, bench)
        _convolutions(weights, count, bench)
        for frame in range(count):
            found[start + frame] = _step(weights, bench.gates[frame], bench)


@kernel
def _first_convolution(layer: Layer, count: int, bench: Bench) -> None:
    for product in range(PRODUCTS):
        skip, to = product * BINS, product * CHANNELS[0]
        dense_columns(bench.mixed, skip, count, layer.weights, skip, BINS, bench.nothing, bench.products, to)
    for frame in range(count):
        part(bench.products[frame], layer.bias, bench.first[frame])


@kernel
def _convolutions(weights: Network, count: int, bench: Bench) -> None:
    """Three taps each, those that fall outside of the frame left out: of the two, one and one times that the later
    ones give, the first begins and the last may end with a tap less."""
    second, third, fourth = weights.second, weights.third, weights.fourth
    _first_convolution(weights.first, count, bench)
    width = CHANNELS[0]
    dense(bench.first, 0, count, second.weights, width, 2 * width, second.bias, bench.second, 0)
    dense(bench.first, width, count, second.weights, 0, 3 * width, second.bias, bench.second, CHANNELS[1])
    _cut_off(bench.second, count)
    width = CHANNELS[1]
    dense(bench.second, 0, count, third.weights, width, 2 * width, third.bias, bench.third, 0)
    _cut_off(bench.third, count)
    width = CHANNELS[2]
    dense(bench.third, 0, count, fourth.weights, width, width, fourth.bias, bench.fourth, 0)
    _cut_off(bench.fourth, count)
    dense(bench.fourth, 0, count, weights.gates.weights, 0, WIDTH, weights.gates.bias, bench.gates, 0)


@kernel
def _cut_off(rows: Any, count: int) -> None:
    """Nothing below zero."""
    for row in range(count):
        for each in range(rows.shape[1]):
            rows[row, each] = max(rows[row, each], np.float32(0))


@kernel
def _step(weights: Network, gates: Any, bench: Bench) -> Any:
    """One frame through the LSTM. Gates stand in ONNX's order: in, out, forget, new."""
    sums, hidden, cell = bench.sums, bench.hidden, bench.cell
    kept_row(hidden, weights.again, gates, sums)
    for each in range(3 * WIDTH):
        sums[each] = _share(sums[each])
    for each in range(WIDTH):
        new = _turned(sums[3 * WIDTH + each])
        cell[each] = sums[2 * WIDTH + each] * cell[each] + sums[each] * new
        hidden[each] = sums[WIDTH + each] * _turned(cell[each])
    for each in range(WIDTH):
        sums[each] = max(hidden[each], np.float32(0)) * weights.last[each]
    return _share(add_up(sums, WIDTH) + weights.last_bias)


@kernel
def _share(x: Any) -> Any:
    """The logistic function."""
    y = max(min(x * -LOG2_E, np.float32(126)), np.float32(-126))
    return np.float32(1) / (np.float32(1) + power_of_two(y))


@kernel
def _turned(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.float32(2) * _share(np.float32(2) * x) - np.float32(1)
