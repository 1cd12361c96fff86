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
from core.audio.silero.winograd import PRODUCTS, mixed
from core.errors import ModelNotFoundError
from core.kernels.floats import F32, pack
from core.kernels.fourier import BINS, COLUMNS, LENGTH, SPAN, STEP
from core.kernels.shortened import U32, keep
from core.kernels.simd import ROWS
from core.kernels.waves import turns_of

HOP = SPAN // 2  # samples from one spectrum to the next
SPECTRA = 4  # of a frame
STRETCHES = SPECTRA + 1  # of HOP samples
CHANNELS = (128, 64, 64, 128)  # of the convolutions
WIDTH = 128  # of the LSTM
BLOCK = 16 * ROWS  # frames that go through a layer at once

_FULL = np.float32(1 / 32768)  # samples are whole numbers
_NEAR = 1e-5

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
    """``window`` float32 (256,) and ``turns`` as :mod:`core.kernels.fourier` takes them; ``again``, by which
    the LSTM's state comes back, as :mod:`core.kernels.shortened` does; ``last`` float32 (128,).
    """

    window: F32
    turns: F32
    first: Layer
    second: Layer
    third: Layer
    fourth: Layer
    gates: Layer
    again: U32 | F32
    last: F32
    last_bias: np.float32


class Bench(NamedTuple):
    """Scratch space of one stream, float32, a row for each frame, and its state."""

    samples: F32  # (128, 20): of four frames, by stretches
    columns: F32
    loud: F32  # (spectra * bins * 4,): of four frames, side by side
    mixed: F32  # (groups, 6 * bins * 4)
    products: F32
    nothing: F32  # (CHANNELS[0],): what products begin with
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

    def rows(width: int) -> F32:
        return np.zeros((BLOCK, width), np.float32)

    return Bench(
        samples=np.zeros((HOP, STEP), np.float32),
        columns=np.zeros(COLUMNS, np.float32),
        loud=np.zeros(SPECTRA * BINS * ROWS, np.float32),
        mixed=np.zeros((BLOCK // ROWS, PRODUCTS * BINS * ROWS), np.float32),
        products=rows(PRODUCTS * CHANNELS[0]),
        nothing=np.zeros(CHANNELS[0], np.float32),
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
    (basis,), first, *convolutions, (inputs, again, biases), (last, last_bias) = (node.weights for node in nodes)
    second, third, fourth = (_convolution(*arrays) for arrays in convolutions)
    return Network(
        window=_window(basis[:, 0]) * _FULL,
        turns=turns_of(LENGTH),
        first=_convolution(mixed(first[0]), first[1]),
        second=second,
        third=third,
        fourth=fourth,
        gates=_layer(inputs[0], biases[0, : 4 * WIDTH] + biases[0, 4 * WIDTH :]),
        again=keep(again[0]),
        last=np.ascontiguousarray(last[0, :, 0]),
        last_bias=np.float32(last_bias[0]),
    )


def _window(basis: F32) -> F32:
    """Of a basis (2 * 129, 256) that is a window times cosines, and times sines: a fast transform takes no other."""
    window: F32 = basis[0]
    angles = 2 * np.pi / SPAN * np.outer(np.arange(BINS), np.arange(SPAN))
    wanted = np.concatenate([np.cos(angles), -np.sin(angles)]) * window
    if not np.allclose(basis, wanted, rtol=0, atol=_NEAR):
        raise ValueError("its spectra are not those of a window")
    return window


def _layer(matrix: F32, bias: F32 | None = None) -> Layer:
    packed = pack(matrix)
    return Layer(packed, np.zeros(packed.shape[0] * packed.shape[2], np.float32) if bias is None else bias.copy())


def _convolution(weights: F32, bias: F32) -> Layer:
    """Its taps, or products, side by side."""
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
