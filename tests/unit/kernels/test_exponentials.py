"""Exponentials against NumPy's."""

import numpy as np
import pytest

from core.kernels.bits import LOG2_E, largest_of, power_of_two
from core.kernels.exponentials import TOP, exponentials, log_total, shares_of

RANDOM = np.random.default_rng(7)
COUNTS = [1, 15, 16, 17, 200, 1500]


def scored(count):
    """Scores with room up to a multiple of sixteen, in which something high is left over."""
    scores = np.full(-(-count // 16) * 16 + 16, 99, np.float32)
    scores[:count] = RANDOM.uniform(-40, 9, count)
    return scores, np.exp(scores[:count].astype(np.float64) - scores[:count].max())


@pytest.mark.parametrize("count", COUNTS)
def test_exponentials_stand_in_the_places_of_the_scores(count):
    """Far closer than 8 bits can tell; what is beyond the last vector is left alone."""
    scores, wanted = scored(count)
    total = exponentials(scores, count)
    assert np.abs(scores[:count] / wanted - 1).max() < 2e-5
    assert total == pytest.approx(wanted.sum(), rel=1e-5)
    assert (scores[-16:] == 99).all()


@pytest.mark.parametrize("count", COUNTS)
def test_the_logarithm_of_their_sum(count):
    """The scores themselves stay."""
    scores, wanted = scored(count)
    kept = scores[:count].copy()
    assert log_total(scores, count) == pytest.approx(kept.max() + np.log(wanted.sum()), abs=1e-5)
    assert (scores[:count] == kept).all()


@pytest.mark.parametrize("count", COUNTS)
def test_shares_in_8_bits_are_rounded_up_from_each_place_s_own_rest_on(count):
    """The likeliest one is 255 and never 256, which would be nothing; beyond the last one there is nothing."""
    scores, wanted = scored(count)
    steps = RANDOM.uniform(0, 0.9999, len(scores)).astype(np.float32)
    shares = np.full(len(scores), 77, np.uint8)
    total = shares_of(scores, count, steps, shares)
    exact = wanted * TOP + steps[:count]
    assert total == pytest.approx(wanted.sum(), rel=1e-5)
    assert (np.abs(shares[:count] - np.floor(exact)) <= (np.abs(exact - np.rint(exact)) < 0.01)).all()
    assert shares[np.argmax(scores[:count])] == TOP
    assert not shares[count : -(-count // 16) * 16].any()
    assert (shares[-16:] == 77).all()


def test_a_row_of_scores_that_are_all_alike_is_as_good_as_any():
    """Also where they are huge: only differences count."""
    for value in (3e30, -1e30):
        scores, shares = np.full(32, value, np.float32), np.full(32, 77, np.uint8)
        assert shares_of(scores, 20, np.zeros(32, np.float32), shares) == pytest.approx(20)
        assert (shares[:20] >= TOP - 1).all()
        assert not shares[20:].any()


def test_powers_of_two_are_the_same_in_the_compiler_s_words_and_in_ours():
    """Within what fusing a product and a sum changes."""
    scores = np.linspace(-50, 0, 64, dtype=np.float32)
    wanted = np.array([power_of_two(np.float32(score * LOG2_E)) for score in scores])
    exponentials(scores, 64)
    assert np.abs(scores / wanted - 1).max() < 1e-5


def test_the_largest_magnitude_is_found_on_either_side_of_zero():
    """And is never nothing: others are divided by it."""
    values = RANDOM.standard_normal(77).astype(np.float32)
    assert largest_of(values, 77) == np.abs(values).max()
    assert largest_of(-values, 40) == np.abs(values[:40]).max()
    assert largest_of(np.zeros(5, np.float32), 5) == np.float32(1e-9)
