"""Whisper models of any size, made of chance: all that a model directory holds, and no sense in what it says."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
_CANTONESE = 50_358  # where the newer vocabulary has one more language
_NEW_VOCABULARY = 51_866


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """As OpenAI published them; ``heard`` and ``spoken`` are the layers of the encoder and of the decoder."""

    width: int
    heard: int
    spoken: int
    mels: int = 80
    vocabulary: int = 51_865


SIZES = {
    "small": Size(width=768, heard=12, spoken=12),
    "medium": Size(width=1024, heard=24, spoken=24),
    "large-v3": Size(width=1280, heard=32, spoken=32, mels=128, vocabulary=_NEW_VOCABULARY),
    "turbo": Size(width=1280, heard=32, spoken=4, mels=128, vocabulary=_NEW_VOCABULARY),
}


def write_model(folder: Path, size: Size, *, like: Path, seed: int = 0) -> Path:
    """A model directory of that size, with the tokenizer of the multilingual model in ``like``."""
    folder.mkdir(parents=True, exist_ok=True)
    newer = size.vocabulary == _NEW_VOCABULARY
    facts = json.loads((like / "config.json").read_text(encoding="utf-8"))
    facts["alignment_heads"] = [[size.spoken - 1, 0], [size.spoken - 1, 1]]
    words = (like / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = json.loads((like / "tokenizer.json").read_text(encoding="utf-8"))
    if newer:
        facts["lang_ids"].append(_CANTONESE)
        words.insert(_CANTONESE, "<|yue|>")
        _add_cantonese(tokenizer)
    (folder / "config.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "vocabulary.json").write_text(json.dumps(words), encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    write_weights(
        folder / "model.bin", _weights(size, seed), [("decoder/projection/weight", "decoder/embeddings/weight")]
    )
    return folder


def write_weights(
    path: Path, arrays: Mapping[str, NDArray[Any]], aliases: Sequence[tuple[str, str]] = (), *, version: int = 6
) -> Path:
    """A file in CTranslate2's layout."""
    with path.open("wb") as file:
        file.write(struct.pack("<I", version) + _text("WhisperSpec") + struct.pack("<II", 3, len(arrays)))
        for name, array in arrays.items():
            file.write(_text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape))
            file.write(struct.pack("<BI", _TYPES[array.dtype.name], array.nbytes))
            file.write(array.tobytes())
        file.write(struct.pack("<I", len(aliases)))
        file.write(b"".join(_text(alias) + _text(name) for alias, name in aliases))
    return path


def _text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def _add_cantonese(tokenizer: dict[str, Any]) -> None:
    added = tokenizer["added_tokens"]
    for token in added:
        token["id"] += token["id"] >= _CANTONESE
    place = next(index for index, token in enumerate(added) if token["id"] > _CANTONESE)
    added.insert(place, {**added[place], "id": _CANTONESE, "content": "<|yue|>"})


def _weights(size: Size, seed: int) -> dict[str, NDArray[Any]]:
    made = _Maker(size.width, np.random.default_rng(seed))
    made.linear("encoder/conv1", size.width, size.mels, 3)
    made.linear("encoder/conv2", size.width, size.width, 3)
    made.places("encoder/position_encodings/encodings", 1500)
    for layer in range(size.heard):
        made.layer(f"encoder/layer_{layer}")
    made.norm("encoder/layer_norm")
    made.places("decoder/embeddings/weight", size.vocabulary)
    made.places("decoder/position_encodings/encodings", 448)
    for layer in range(size.spoken):
        made.layer(f"decoder/layer_{layer}")
        made.listening(f"decoder/layer_{layer}/attention")
    made.norm("decoder/layer_norm")
    made.facts(size.width // 64)
    return made.arrays


class _Maker:
    """Variables by name, in 16 bits, small enough that sums stay in bounds in any number of layers."""

    def __init__(self, width: int, random: np.random.Generator) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._width = width
        self._random = random

    def linear(self, name: str, *shape: int) -> None:
        spread = 1 / np.sqrt(np.prod(shape[1:]))
        self.arrays[f"{name}/weight"] = self._normal(shape, spread)
        self.arrays[f"{name}/bias"] = self._normal(shape[:1], 0.1)

    def norm(self, name: str) -> None:
        self.arrays[f"{name}/gamma"] = np.float16(1) + self._normal((self._width,), 0.1)
        self.arrays[f"{name}/beta"] = self._normal((self._width,), 0.1)

    def places(self, name: str, count: int) -> None:
        self.arrays[name] = self._normal((count, self._width), 0.1)

    def layer(self, at: str) -> None:
        self.norm(f"{at}/self_attention/layer_norm")
        self.linear(f"{at}/self_attention/linear_0", 3 * self._width, self._width)
        self.linear(f"{at}/self_attention/linear_1", self._width, self._width)
        self.norm(f"{at}/ffn/layer_norm")
        self.linear(f"{at}/ffn/linear_0", 4 * self._width, self._width)
        self.linear(f"{at}/ffn/linear_1", self._width, 4 * self._width)

    def listening(self, at: str) -> None:
        self.norm(f"{at}/layer_norm")
        self.linear(f"{at}/linear_0", self._width, self._width)
        self.linear(f"{at}/linear_1", 2 * self._width, self._width)
        self.linear(f"{at}/linear_2", self._width, self._width)

    def facts(self, heads: int) -> None:
        """What CTranslate2 writes beside the weights."""
        short = {"encoder/num_heads": heads, "decoder/num_heads": heads, "decoder/alignment_heads": 1}
        self.arrays |= {name: np.array(value, np.int16) for name, value in short.items()}
        self.arrays["decoder/alignment_layer"] = np.array(-1, np.int16)
        flags = {"activation": 3, "alibi": 0, "pre_norm": 1, "scale_embeddings": 0, "start_from_zero_embedding": 0}
        self.arrays |= {f"decoder/{name}": np.array(value, np.int8) for name, value in flags.items()}

    def _normal(self, shape: tuple[int, ...], spread: float) -> NDArray[np.float16]:
        return (self._random.standard_normal(shape, np.float32) * np.float32(spread)).astype(np.float16)
