"""The decoder's weights as the kernels take them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD, Weights, layers_of
from core.engines.native.linear import Linear, pack

F32 = NDArray[np.float32]


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
    count = layers_of(weights, "decoder")

    def linear(name: str) -> Linear:
        places = [f"decoder/layer_{layer}/{name}" for layer in range(count)]
        return pack([weights[f"{at}/weight"] for at in places], [weights[f"{at}/bias"] for at in places])

    def norms(name: str) -> Norms:
        places = [f"decoder/layer_{layer}/{name}/layer_norm" for layer in range(count)]
        return Norms(_rows(weights, places, "gamma"), _rows(weights, places, "beta"))

    return Model(
        words=pack([weights["decoder/embeddings/weight"]], [None]),
        positions=weights["decoder/position_encodings/encodings"].astype(np.float32),
        own=_queries_scaled(linear("self_attention/linear_0"), share=3),
        own_out=linear("self_attention/linear_1"),
        own_norm=norms("self_attention"),
        ask=_queries_scaled(linear("attention/linear_0"), share=1),
        heard=linear("attention/linear_2"),
        ask_norm=norms("attention"),
        up=linear("ffn/linear_0"),
        down=linear("ffn/linear_1"),
        feed_norm=norms("ffn"),
        last_norm=Norms(
            _rows(weights, ["decoder/layer_norm"], "gamma"), _rows(weights, ["decoder/layer_norm"], "beta")
        ),
    )


def _rows(weights: Weights, places: list[str], name: str) -> F32:
    return np.stack([weights[f"{place}/{name}"].astype(np.float32) for place in places])


def _queries_scaled(linear: Linear, *, share: int) -> Linear:
    """The first ``1 / share`` of the outputs are queries, which are divided by the root of a head's width."""
    factor: Any = np.ones_like(linear.scale)
    factor[:, : linear.scale.shape[1] // share] = HEAD**-0.5
    return linear._replace(scale=linear.scale * factor, bias=linear.bias * factor)
