"""Whisper's encoder as an OpenVINO graph, from the weights of a CTranslate2 model."""

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

from core.engines.ct2_file import HEAD, Weights, layers_of

EPSILON = 1e-5


def encoder_model(weights: Weights, *, keys: bool) -> Any:
    """Input: a spectrogram (1, mels, 3000). Outputs: with ``keys``, for each layer of the decoder its keys and
    values side by side, (1, 1500, 2 * width); else what was heard, (1, 1500, width)."""
    return _Graph(weights).model(keys=keys)


class _Graph:
    """Builds the graph, in 32 bits: the compiler narrows it."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._places = weights["encoder/position_encodings/encodings"]
        self._width = int(self._places.shape[1])

    def model(self, *, keys: bool) -> Any:
        mels = int(self._weights["encoder/conv1/weight"].shape[1])
        mel = ops.parameter([1, mels, 2 * len(self._places)], np.float32, name="mel")
        x = self._stem(mel)
        for layer in range(layers_of(self._weights, "encoder")):
            x = self._layer(x, f"encoder/layer_{layer}")
        heard = self._norm(x, "encoder/layer_norm")
        names = [f"decoder/layer_{layer}/attention/linear_1" for layer in range(layers_of(self._weights, "decoder"))]
        results = [ops.result(self._linear(heard, name)) for name in names] if keys else [ops.result(heard)]
        return openvino.Model(results, [mel], "whisper_encoder")

    def _stem(self, mel: Any) -> Any:
        x = self._convolution(self._convolution(mel, "encoder/conv1", 1), "encoder/conv2", 2)
        x = ops.transpose(x, _integers(0, 2, 1))
        return ops.add(x, _constant(self._places[np.newaxis]))

    def _convolution(self, x: Any, name: str, stride: int) -> Any:
        y = ops.convolution(x, _constant(self._weights[f"{name}/weight"]), [stride], [1], [1], [1])
        return ops.gelu(ops.add(y, _constant(self._weights[f"{name}/bias"].reshape(1, -1, 1))), "erf")

    def _layer(self, x: Any, name: str) -> Any:
        y = self._linear(self._norm(x, f"{name}/self_attention/layer_norm"), f"{name}/self_attention/linear_0")
        query, key, value = (self._heads(part) for part in ops.split(y, _integer(2), 3).outputs())
        y = self._joined(ops.scaled_dot_product_attention(query, key, value))
        x = ops.add(x, self._linear(y, f"{name}/self_attention/linear_1"))
        y = self._linear(self._norm(x, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0")
        return ops.add(x, self._linear(ops.gelu(y, "erf"), f"{name}/ffn/linear_1"))

    def _linear(self, x: Any, name: str) -> Any:
        product = ops.matmul(x, _constant(self._weights[f"{name}/weight"]), transpose_a=False, transpose_b=True)
        return ops.add(product, _constant(self._weights[f"{name}/bias"]))

    def _norm(self, x: Any, name: str) -> Any:
        y = ops.mvn(x, _integers(-1), normalize_variance=True, eps=EPSILON, eps_mode="inside_sqrt")
        y = ops.multiply(y, _constant(self._weights[f"{name}/gamma"]))
        return ops.add(y, _constant(self._weights[f"{name}/beta"]))

    def _heads(self, x: Any) -> Any:
        return ops.transpose(
            ops.reshape(x, _integers(0, 0, self._width // HEAD, HEAD), special_zero=True), _integers(0, 2, 1, 3)
        )

    def _joined(self, x: Any) -> Any:
        return ops.reshape(ops.transpose(x, _integers(0, 2, 1, 3)), _integers(0, 0, self._width), special_zero=True)


def _constant(values: Any) -> Any:
    return ops.constant(np.ascontiguousarray(values, dtype=np.float32))


def _integers(*values: int) -> Any:
    return ops.constant(np.array(values, np.int64))


def _integer(value: int) -> Any:
    return ops.constant(np.int64(value))
