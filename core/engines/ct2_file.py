"""Reads the weights of a CTranslate2 model: so one download serves every part of the engine.

Layout (CTranslate2's ``model_spec.py``, binary version 6): version, name of the specification, its revision, number
of variables; for each its name, rank, shape, type, bytes and data; then aliases. Little-endian; names end with a zero
byte.
"""

import mmap
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelCorruptError

Weights = Mapping[str, NDArray[Any]]
HEAD = 64  # width of an attention head in every Whisper model

_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
_VERSION = 6


def read_weights(path: Path) -> Weights:
    """Every variable by name, as views into the mapped file: only what is looked at is read from disk.

    Raises ``ModelCorruptError`` where the file is not such a model.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return dict(reader.variables())
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise ModelCorruptError(f"{path} is not a CTranslate2 model that can be read: {error}.") from error


def read_plain_weights(path: Path) -> Weights:
    """As :func:`read_weights`. Raises ``ModelCorruptError`` also where the model is quantised: only CTranslate2 itself
    makes sense of its numbers."""
    weights = read_weights(path)
    matrices = [array for name, array in weights.items() if name.endswith("/weight")]
    if not all(np.issubdtype(matrix.dtype, np.floating) for matrix in matrices):
        message = (
            f"{path} is quantised: ENGINE=openai-whisper, ENCODER=openvino and DECODER=compiled need weights in 16 or"
        )
        raise ModelCorruptError(f"{message} 32 bits. Use the model as it was published, or `ctranslate2` for both.")
    return weights


def layers_of(weights: Weights, side: str) -> int:
    """How many layers the ``encoder`` or ``decoder`` has."""
    return sum(1 for name in weights if name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/weight"))


class _Reader:
    """A place in the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def variables(self) -> Iterator[tuple[str, NDArray[Any]]]:
        version, _, _ = self._number("I"), self._text(), self._number("I")
        if version != _VERSION:
            raise ValueError(f"it has version {version}, and {_VERSION} is understood")
        found = {}
        for _ in range(self._number("I")):
            name = self._text()
            found[name] = self._array()
        yield from found.items()
        for _ in range(self._number("I")):
            alias, name = self._text(), self._text()
            yield alias, found[name]

    def _array(self) -> NDArray[Any]:
        shape = [self._number("I") for _ in range(self._number("B"))]
        kind = np.dtype(_TYPES[self._number("B")])
        size = self._number("I")
        values = np.frombuffer(self._data, kind, size // kind.itemsize, self._at).reshape(shape)
        self._at += size
        return values

    def _text(self) -> str:
        length = self._number("H")
        self._at += length
        return self._data[self._at - length : self._at].rstrip(b"\0").decode()

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return int(value)
