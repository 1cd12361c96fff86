"""Reading CTranslate2's own file of weights."""

import struct

import numpy as np
import pytest

from core.engines.ct2_file import read_weights
from core.errors import ModelCorruptError


def text(value):
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def written(path, arrays, aliases=(), version=6):
    """A file in CTranslate2's layout."""
    types = {"float32": 0, "int8": 1, "float16": 4}
    data = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        data += text(name) + struct.pack("<B", array.ndim) + b"".join(struct.pack("<I", size) for size in array.shape)
        data += struct.pack("<BI", types[array.dtype.name], array.nbytes) + array.tobytes()
    data += struct.pack("<I", len(aliases)) + b"".join(text(alias) + text(name) for alias, name in aliases)
    path.write_bytes(data)
    return path


def test_every_variable_is_there_under_its_names(tmp_path):
    """Shapes, types and values as they were written, aliases too."""
    arrays = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "flag": np.array(1, np.int8)}
    weights = read_weights(written(tmp_path / "model.bin", arrays, [("b/weight", "a/weight")]))
    assert (weights["a/weight"] == arrays["a/weight"]).all()
    assert weights["flag"].shape == ()
    assert (weights["b/weight"] == arrays["a/weight"]).all()


@pytest.mark.parametrize("keep", [0, 3, 20, 40])
def test_a_file_that_breaks_off_is_told(tmp_path, keep):
    """Wherever it does."""
    path = written(tmp_path / "model.bin", {"a": np.zeros(9, np.float32)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelCorruptError, match=r"model\.bin"):
        read_weights(path)


def test_another_version_of_the_layout_is_told(tmp_path):
    """Rather than read wrongly."""
    with pytest.raises(ModelCorruptError, match="version 7"):
        read_weights(written(tmp_path / "model.bin", {"a": np.zeros(1, np.float32)}, version=7))
