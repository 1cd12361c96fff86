"""The weights as whisper.cpp reads them, from the same CTranslate2 model.

Layout (whisper.cpp, ``models/convert-pt-to-ggml.py``): a magic number, the sizes of the model, the filters of the
spectrogram, the bytes of every ordinary token, then the tensors with OpenAI's names, dimensions in reverse.
"""

import json
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import read_weights
from core.engines.features import filters
from core.engines.model_files import ModelFiles
from core.engines.openai_weights import dimensions, named

MAGIC = 0x67676D6C
HALF, SINGLE = 1, 0
KEPT_SINGLE = {"encoder.positional_embedding", "decoder.positional_embedding"}


def write_ggml(files: ModelFiles, target: Path) -> None:
    """Matrices in 16 bits, the rest in 32, as the published files have them."""
    weights = read_weights(files.weights)
    sizes = dimensions(weights)
    order = ("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx", "n_text_state",
             "n_text_head", "n_text_layer", "n_mels")  # fmt: skip
    with target.open("wb") as out:
        out.write(struct.pack("<12i", MAGIC, *(sizes[name] for name in order), HALF))
        _filters(out, sizes["n_mels"])
        _tokens(out, files)
        for name, values in named(weights).items():
            _tensor(out, name, values)


def _filters(out: BinaryIO, mels: int) -> None:
    bank = filters(mels)
    out.write(struct.pack("<2i", *bank.shape))
    out.write(bank.tobytes())


def _tokens(out: BinaryIO, files: ModelFiles) -> None:
    book = json.loads(files.tokenizer.read_text(encoding="utf-8"))
    special = {token["content"] for token in book["added_tokens"]}
    plain = sorted((number, text) for text, number in book["model"]["vocab"].items() if text not in special)
    letters = _byte_letters()
    out.write(struct.pack("<i", len(plain)))
    for _, text in plain:
        said = bytes(letters[letter] for letter in text)
        out.write(struct.pack("<i", len(said)) + said)


def _byte_letters() -> dict[str, int]:
    """GPT-2's letter for each byte: the visible ones stand for themselves, the others for letters from 256 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


def _tensor(out: BinaryIO, name: str, values: NDArray[np.generic]) -> None:
    if name in {"encoder.conv1.bias", "encoder.conv2.bias"}:
        values = values.reshape(-1, 1)
    half = values.ndim > 1 and name not in KEPT_SINGLE and not name.endswith("bias")
    title = name.encode()
    out.write(struct.pack("<3i", values.ndim, len(title), HALF if half else SINGLE))
    out.write(struct.pack(f"<{values.ndim}i", *values.shape[::-1]))
    out.write(title + np.ascontiguousarray(values, dtype=np.float16 if half else np.float32).tobytes())
