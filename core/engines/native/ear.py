"""The encoder's weights as the kernels take them, and the space that they work in."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD, Weights, layers_of
from core.engines.native.attention import Room, new_room
from core.engines.native.easing import eased
from core.engines.native.linear import Linear, Rows, new_rows, pack
from core.engines.native.model import Norms, queries_scaled, stacked, stacked_norms
from core.engines.native.sound import Sound, new_sound

F32 = NDArray[np.float32]
PARTS = ("self_attention", "ffn")  # of a layer, each behind a norm of its own
TAPS = 3  # of both convolutions
BLOCK = 64  # frames that are worked on at once: what comes of them stays in the cache


class Ear(NamedTuple):
    """One encoder, and the decoder's keys and values of what it hears. ``places`` float32 (frames, width)."""

    first: Linear  # the convolutions as linear layers, their taps side by side
    second: Linear
    places: F32
    own: Linear
    own_out: Linear
    own_norm: Norms
    up: Linear
    down: Linear
    feed_norm: Norms
    last_norm: Norms
    keys: Linear


class Hall(NamedTuple):
    """Scratch space for one window: float32. ``x`` and ``wide`` have a row for each frame; ``loud``, of the first
    convolution, has two for each, and lies where ``wide`` does, whose turn comes after it.

    What is done with a block of frames before the next block's turn has room for one block: ``taps`` (any shape),
    ``y`` and ``inner``.
    """

    loud: F32
    x: F32
    wide: F32
    taps: F32
    y: F32
    inner: F32
    rows: Rows
    room: Room
    sound: Sound


def load_ear(weights: Weights) -> Ear:
    """Quantise an encoder. Queries are scaled here once."""
    layers = [f"encoder/layer_{layer}" for layer in range(layers_of(weights, "encoder"))]
    weights = eased(
        weights, [(f"{layer}/{part}/layer_norm", f"{layer}/{part}/linear_0") for layer in layers for part in PARTS]
    )

    def linear(name: str) -> Linear:
        return stacked(weights, [f"{layer}/{name}" for layer in layers])

    def norms(name: str) -> Norms:
        return stacked_norms(weights, [f"{layer}/{name}/layer_norm" for layer in layers])

    return Ear(
        first=_convolution(weights, "encoder/conv1"),
        second=_convolution(weights, "encoder/conv2"),
        places=weights["encoder/position_encodings/encodings"].astype(np.float32),
        own=queries_scaled(linear("self_attention/linear_0"), share=3),
        own_out=linear("self_attention/linear_1"),
        own_norm=norms("self_attention"),
        up=linear("ffn/linear_0"),
        down=linear("ffn/linear_1"),
        feed_norm=norms("ffn"),
        last_norm=stacked_norms(weights, ["encoder/layer_norm"]),
        keys=stacked(
            weights, [f"decoder/layer_{layer}/attention/linear_1" for layer in range(layers_of(weights, "decoder"))]
        ),
    )


def new_hall(ear: Ear, mels: int) -> Hall:
    """Room for one window."""
    frames, width = ear.places.shape
    feed, widest = ear.up.scale.shape[1], TAPS * max(mels, width)
    wide = np.zeros((frames, 3 * width), np.float32)
    return Hall(
        wide.reshape(-1)[: 2 * frames * width].reshape(2 * frames, width),
        np.zeros((frames, width), np.float32),
        wide,
        np.zeros(BLOCK * widest, np.float32),
        np.zeros((BLOCK, width), np.float32),
        np.zeros((BLOCK, feed), np.float32),
        new_rows(BLOCK, max(feed, widest)),
        new_room(BLOCK, frames),
        new_sound(1, 1, width // HEAD, frames),
    )


def _convolution(weights: Weights, name: str) -> Linear:
    taps = weights[f"{name}/weight"].transpose(0, 2, 1)
    return pack([taps.reshape(len(taps), -1)], [weights[f"{name}/bias"]])
