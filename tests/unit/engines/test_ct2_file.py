"""Reading CTranslate2's own file of weights."""

import numpy as np
import pytest

from core.engines.ct2_file import read_plain_weights, read_weights
from core.errors import ModelCorruptError
from tests.support.random_model import write_weights


def test_every_variable_is_there_under_its_names(tmp_path):
    """Shapes, types and values as they were written, aliases too."""
    arrays = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "flag": np.array(1, np.int8)}
    weights = read_weights(write_weights(tmp_path / "model.bin", arrays, [("b/weight", "a/weight")]))
    assert (weights["a/weight"] == arrays["a/weight"]).all()
    assert weights["flag"].shape == ()
    assert (weights["b/weight"] == arrays["a/weight"]).all()


@pytest.mark.parametrize("keep", [0, 3, 20, 40])
def test_a_file_that_breaks_off_is_told(tmp_path, keep):
    """Wherever it does."""
    path = write_weights(tmp_path / "model.bin", {"a": np.zeros(9, np.float32)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelCorruptError, match=r"model\.bin"):
        read_weights(path)


def test_another_version_of_the_layout_is_told(tmp_path):
    """Rather than read wrongly."""
    with pytest.raises(ModelCorruptError, match="version 7"):
        read_weights(write_weights(tmp_path / "model.bin", {"a": np.zeros(1, np.float32)}, version=7))


def test_a_quantised_model_is_refused_where_only_ctranslate2_can_read_it(tmp_path):
    """With what to do. Whole numbers that are no weights, such as flags, are in every model."""
    flag = {"decoder/pre_norm": np.array(1, np.int8)}
    plain = write_weights(tmp_path / "plain.bin", {"a/weight": np.zeros(9, np.float16), **flag})
    assert read_plain_weights(plain).keys() == {"a/weight", "decoder/pre_norm"}
    quantised = write_weights(tmp_path / "quantised.bin", {"a/weight": np.zeros(9, np.int8), **flag})
    with pytest.raises(ModelCorruptError, match=r"quantised\.bin is quantised.*`ctranslate2`"):
        read_plain_weights(quantised)
