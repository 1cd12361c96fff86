"""The decoder's weights as the kernels take them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD, Weights, layers_of
from core.engines.native.easing import eased
from core.engines.native.linear import Linear, pack

F32 = NDArray[np.float32]
PARTS = ("self_attention", "attention", "ffn")  # of a layer, each behind a norm of its own


class Norms(NamedTuple):
    """Scale and shift of layer norms: float32 (layers, width)."""

    scale: F32
    shift: F32


class Model(NamedTuple):
    """One decoder. ``words`` is the embedding and also the last layer; ``positions`` float32 (places, width)."""

    words: Linear
    positions: F32
    own: Linear  # queries, keys and values of what was said before
    own_out: Linear
    own_norm: Norms
    ask: Linear  # queries to the sound
    heard: Linear
    ask_norm: Norms
    up: Linear
    down: Linear
    feed_norm: Norms
    last_norm: Norms


def load_model(weights: Weights) -> Model:
    """Quantise a decoder. Queries are scaled here once, and not in every step."""
    layers = [f"decoder/layer_{layer}" for layer in range(layers_of(weights, "decoder"))]
    weights = eased(
        weights, [(f"{layer}/{part}/layer_norm", f"{layer}/{part}/linear_0") for layer in layers for part in PARTS]
    )

    def linear(name: str) -> Linear:
        return stacked(weights, [f"{layer}/{name}" for layer in layers])

    def norms(name: str) -> Norms:
        return stacked_norms(weights, [f"{layer}/{name}/layer_norm" for layer in layers])

    return Model(
        words=pack([weights["decoder/embeddings/weight"]], [None]),
        positions=weights["decoder/position_encodings/encodings"].astype(np.float32),
        own=queries_scaled(linear("self_attention/linear_0"), share=3),
        own_out=linear("self_attention/linear_1"),
        own_norm=norms("self_attention"),
        ask=queries_scaled(linear("attention/linear_0"), share=1),
        heard=linear("attention/linear_2"),
        ask_norm=norms("attention"),
        up=linear("ffn/linear_0"),
        down=linear("ffn/linear_1"),
        feed_norm=norms("ffn"),
        last_norm=stacked_norms(weights, ["decoder/layer_norm"]),
    )


def stacked(weights: Weights, places: Sequence[str]) -> Linear:
    """Linear layers of equal shape, by their names in the file."""
    return pack([weights[f"{place}/weight"] for place in places], [weights[f"{place}/bias"] for place in places])


def stacked_norms(weights: Weights, places: Sequence[str]) -> Norms:
    """Layer norms, likewise."""
    return Norms(*(_rows(weights, places, part) for part in ("gamma", "beta")))


def _rows(weights: Weights, places: Sequence[str], name: str) -> F32:
    return np.stack([weights[f"{place}/{name}"].astype(np.float32) for place in places])


def queries_scaled(linear: Linear, *, share: int) -> Linear:
    """The first ``1 / share`` of the outputs are queries, which are divided by the root of a head's width."""
    factor: Any = np.ones_like(linear.scale)
    factor[:, : linear.scale.shape[1] // share] = HEAD**-0.5
    return linear._replace(scale=linear.scale * factor, bias=linear.bias * factor)
