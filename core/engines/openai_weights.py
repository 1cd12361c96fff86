"""OpenAI's names for the weights of a CTranslate2 model, so that one download serves the reference engine too.

CTranslate2 keeps queries, keys and values of a layer in one matrix, and those of the keys and values that the decoder
takes from the sound in another. Source of the names: ``whisper/model.py`` of openai-whisper, and the Whisper part of
CTranslate2's converter.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD, Weights, layers_of

AUDIO_FRAMES, TEXT_TOKENS = 1500, 448

Named = tuple[str, NDArray[Any]]


def dimensions(weights: Weights) -> dict[str, int]:
    """What ``whisper.model.ModelDimensions`` wants to know."""
    words = weights["decoder/embeddings/weight"]
    width, mels, _ = weights["encoder/conv1/weight"].shape
    return {
        "n_mels": int(mels),
        "n_audio_ctx": AUDIO_FRAMES,
        "n_audio_state": int(width),
        "n_audio_head": int(width) // HEAD,
        "n_audio_layer": layers_of(weights, "encoder"),
        "n_vocab": int(words.shape[0]),
        "n_text_ctx": TEXT_TOKENS,
        "n_text_state": int(words.shape[1]),
        "n_text_head": int(words.shape[1]) // HEAD,
        "n_text_layer": layers_of(weights, "decoder"),
    }


def named(weights: Weights) -> dict[str, NDArray[Any]]:
    """Every parameter by the name that OpenAI's model gives it, in the type in which it was stored."""
    found = dict(_ends(weights))
    for side in ("encoder", "decoder"):
        for layer in range(layers_of(weights, side)):
            found.update(_layer(weights, side, layer))
    return found


def _ends(weights: Weights) -> Iterator[Named]:
    for name in ("conv1", "conv2"):
        yield from _pair(weights, f"encoder/{name}", f"encoder.{name}")
    for side, norm in (("encoder", "ln_post"), ("decoder", "ln")):
        yield f"{side}.positional_embedding", weights[f"{side}/position_encodings/encodings"]
        yield from _norm(weights, f"{side}/layer_norm", f"{side}.{norm}")
    yield "decoder.token_embedding.weight", weights["decoder/embeddings/weight"]


def _layer(weights: Weights, side: str, layer: int) -> Iterator[Named]:
    here, there = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
    yield from _norm(weights, f"{here}/self_attention/layer_norm", f"{there}.attn_ln")
    yield from _split(
        weights, f"{here}/self_attention/linear_0", [f"{there}.attn.{n}" for n in ("query", "key", "value")]
    )
    yield from _pair(weights, f"{here}/self_attention/linear_1", f"{there}.attn.out")
    if side == "decoder":
        yield from _norm(weights, f"{here}/attention/layer_norm", f"{there}.cross_attn_ln")
        yield from _pair(weights, f"{here}/attention/linear_0", f"{there}.cross_attn.query")
        yield from _split(weights, f"{here}/attention/linear_1", [f"{there}.cross_attn.{n}" for n in ("key", "value")])
        yield from _pair(weights, f"{here}/attention/linear_2", f"{there}.cross_attn.out")
    yield from _norm(weights, f"{here}/ffn/layer_norm", f"{there}.mlp_ln")
    yield from _pair(weights, f"{here}/ffn/linear_0", f"{there}.mlp.0")
    yield from _pair(weights, f"{here}/ffn/linear_1", f"{there}.mlp.2")


def _pair(weights: Weights, here: str, there: str) -> Iterator[Named]:
    yield f"{there}.weight", weights[f"{here}/weight"]
    yield f"{there}.bias", weights[f"{here}/bias"]


def _norm(weights: Weights, here: str, there: str) -> Iterator[Named]:
    yield f"{there}.weight", weights[f"{here}/gamma"]
    yield f"{there}.bias", weights[f"{here}/beta"]


def _split(weights: Weights, here: str, places: list[str]) -> Iterator[Named]:
    """Keys have no bias in OpenAI's model: what is stored for them is zero."""
    matrices = np.split(weights[f"{here}/weight"], len(places))
    shifts = np.split(weights[f"{here}/bias"], len(places))
    for place, matrix, shift in zip(places, matrices, shifts, strict=True):
        yield f"{place}.weight", matrix
        if not place.endswith(".key"):
            yield f"{place}.bias", shift
