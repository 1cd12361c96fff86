"""The network's weights as the kernels take them.

Source: github.com/snakers4/silero-vad, v6. Each frame of 512 samples, with the 64 before it, becomes four spectra of
256 samples (the last reflected at the end), passes four convolutions, and feeds an LSTM.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.audio.silero.onnx import Node, read_nodes
from core.errors import ModelNotFoundError
from core.kernels.floats import F32, pack
from core.kernels.simd import ROWS

SPAN, HOP = 256, 128  # samples of one spectrum, and from one to the next
SPECTRA = 4  # of a frame
BINS = SPAN // 2 + 1
CHANNELS = (128, 64, 64, 128)  # of the convolutions
WIDTH = 128  # of the LSTM
BLOCK = 16 * ROWS  # frames that go through a layer at once

_SHAPES = [
    [(2 * BINS, 1, SPAN)],
    [(128, BINS, 3), (128,)],
    [(64, 128, 3), (64,)],
    [(64, 64, 3), (64,)],
    [(128, 64, 3), (128,)],
    [(1, 4 * WIDTH, WIDTH), (1, 4 * WIDTH, WIDTH), (1, 8 * WIDTH)],
    [(1, WIDTH, 1), (1,)],
]


class Layer(NamedTuple):
    """weights float32 (tiles, inputs, 64), inputs of earlier times first; bias float32 (64 * tiles,)."""

    weights: F32
    bias: F32


class Network(NamedTuple):
    """``cosines`` of what is even around a spectrum's middle, ``sines`` of what is odd; ``highest`` float32 (128,): the
    cosines of the last bin; ``last`` float32 (128,)."""

    cosines: Layer
    sines: Layer
    highest: F32
    first: Layer
    second: Layer
    third: Layer
    fourth: Layer
    gates: Layer
    again: Layer
    last: F32
    last_bias: np.float32


class Bench(NamedTuple):
    """Scratch space of one stream, float32, a row for each frame (for spectra: four), and its state."""

    padded: F32  # (640,): the frame in hand and its mirrored end
    even: F32
    odd: F32
    real: F32
    imaginary: F32
    loud: F32
    first: F32
    second: F32
    third: F32
    fourth: F32
    gates: F32
    sums: F32  # (4 * WIDTH,): the gates of the frame in hand
    hidden: F32
    cell: F32


def new_bench() -> Bench:
    """Room for a block, and the state of a stream's beginning."""

    def rows(width: int, each: int = 1) -> F32:
        return np.zeros((each * BLOCK, width), np.float32)

    return Bench(
        padded=np.zeros((SPECTRA - 1) * HOP + SPAN, np.float32),
        even=rows(HOP, SPECTRA),
        odd=rows(HOP, SPECTRA),
        real=rows(HOP, SPECTRA),
        imaginary=rows(HOP, SPECTRA),
        loud=rows(SPECTRA * BINS),
        first=rows(SPECTRA * CHANNELS[0]),
        second=rows(2 * CHANNELS[1]),
        third=rows(CHANNELS[2]),
        fourth=rows(CHANNELS[3]),
        gates=rows(4 * WIDTH),
        sums=np.zeros(4 * WIDTH, np.float32),
        hidden=np.zeros(WIDTH, np.float32),
        cell=np.zeros(WIDTH, np.float32),
    )


@cache
def network() -> Network:
    """Read once."""
    path = _asset()
    try:
        return _packed([node for node in read_nodes(path) if node.weights and node.kind in {"Conv", "LSTM"}])
    except ValueError as error:
        raise ModelNotFoundError(f"The voice detector {path} is not Silero VAD v6: {error}.") from error


def _packed(nodes: list[Node]) -> Network:
    if [[array.shape for array in node.weights] for node in nodes] != _SHAPES:
        raise ValueError("its layers have other shapes")
    (basis,), *convolutions, (inputs, again, biases), (last, last_bias) = (node.weights for node in nodes)
    cosines, sines = basis[:BINS, 0, 1 : HOP + 1], basis[BINS:, 0, 1 : HOP + 1]
    first, second, third, fourth = (_convolution(*arrays) for arrays in convolutions)
    return Network(
        cosines=_layer(cosines[:HOP]),
        sines=_layer(sines[:HOP]),
        highest=np.ascontiguousarray(cosines[HOP]),
        first=first,
        second=second,
        third=third,
        fourth=fourth,
        gates=_layer(inputs[0], biases[0, : 4 * WIDTH] + biases[0, 4 * WIDTH :]),
        again=_layer(again[0]),
        last=np.ascontiguousarray(last[0, :, 0]),
        last_bias=np.float32(last_bias[0]),
    )


def _layer(matrix: F32, bias: F32 | None = None) -> Layer:
    packed = pack(matrix)
    return Layer(packed, np.zeros(packed.shape[0] * packed.shape[2], np.float32) if bias is None else bias.copy())


def _convolution(weights: F32, bias: F32) -> Layer:
    """Its taps side by side."""
    return _layer(weights.transpose(0, 2, 1).reshape(len(weights), -1), bias)


def _asset() -> Path:
    """The network's file, found without importing faster-whisper, which would load its own engine."""
    package = importlib.util.find_spec("faster_whisper")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        path = Path(folder) / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise ModelNotFoundError("The voice detector is missing; install faster-whisper 1.2.1 or later.")
