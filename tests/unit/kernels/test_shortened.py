"""Weights of 24 bits against those that they stand for."""

import numpy as np
import pytest

from core.kernels.floats import dense_row
from core.kernels.shortened import keep, kept_row, short_row, shorten, widen
from core.kernels.simd import TILE

RANDOM = np.random.default_rng(3)
MATRIX = RANDOM.standard_normal((192, 40)).astype(np.float32)
ROW, BIAS = RANDOM.standard_normal(40).astype(np.float32), RANDOM.standard_normal(192).astype(np.float32)


def test_each_weight_is_the_nearest_of_its_length() -> None:
    """Of both signs; of the last bit kept no more than half is lost."""
    given = MATRIX.reshape(-1, TILE, 40).transpose(0, 2, 1)
    found = widen(shorten(MATRIX))
    assert shorten(MATRIX).nbytes * 4 == MATRIX.nbytes * 3
    np.testing.assert_allclose(found, given, rtol=2**-16)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -1.0, 2.0**-20, 65535.99])
def test_weights_at_the_edge_stay_where_they_are(value: float) -> None:
    """A zero is no longer quite zero, but no sum tells."""
    found = widen(shorten(np.full((64, 3), value, np.float32)))
    np.testing.assert_allclose(found, np.float32(value), rtol=2**-16, atol=1e-40)


def test_every_machine_gets_the_same_numbers() -> None:
    """To the last bit, whether weights are put together in the loop or before."""
    results = [np.zeros(192, np.float32) for _ in range(3)]
    short_row(ROW, shorten(MATRIX), BIAS, results[0])
    dense_row(ROW, widen(shorten(MATRIX)), BIAS, results[1])
    kept_row(ROW, keep(MATRIX), BIAS, results[2])
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()
    np.testing.assert_allclose(results[0], MATRIX @ ROW + BIAS, atol=1e-3)
