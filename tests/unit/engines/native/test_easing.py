"""What goes over from a norm into the next layer's weights changes nothing but what rounding loses."""

import numpy as np

from core.engines.native.easing import eased
from core.engines.native.linear import apply, new_rows, pack

RANDOM = np.random.default_rng(11)
WIDTH, OUTPUTS, ROWS = 128, 64, 16


def unbalanced() -> dict[str, np.ndarray]:
    """A norm of which three channels are 40 times as large as the others, as Whisper's are, and a layer behind it."""
    scale = np.ones(WIDTH, np.float32)
    scale[[3, 50, 90]] = 40
    return {
        "norm/gamma": scale.astype(np.float16),
        "norm/beta": np.zeros(WIDTH, np.float16),
        "layer/weight": (RANDOM.standard_normal((OUTPUTS, WIDTH)) / scale).astype(np.float16),
        "other/weight": np.ones((2, 2), np.float16),
    }


def normed(weights, rows):
    """What comes out of the norm."""
    return rows * weights["norm/gamma"].astype(np.float32) + weights["norm/beta"].astype(np.float32)


def product(weights, rows):
    """Exactly."""
    return normed(weights, rows) @ weights["layer/weight"].astype(np.float32).T


def loss(weights, rows):
    """What is lost in 8 bits, as a share of the whole."""
    out = np.zeros((ROWS, OUTPUTS), np.float32)
    apply(normed(weights, rows), ROWS, pack([weights["layer/weight"]], [None]), 0, out, new_rows(ROWS, WIDTH))
    return np.linalg.norm(out - product(weights, rows)) / np.linalg.norm(product(weights, rows))


def test_the_product_is_the_same():
    """Within what 32 bits can tell."""
    weights, rows = unbalanced(), RANDOM.standard_normal((ROWS, WIDTH)).astype(np.float32)
    assert np.allclose(product(eased(weights, [("norm", "layer")]), rows), product(weights, rows), rtol=1e-3, atol=1e-3)


def test_less_is_lost_in_8_bits():
    """Less than half of it."""
    weights, rows = unbalanced(), RANDOM.standard_normal((ROWS, WIDTH)).astype(np.float32)
    assert loss(eased(weights, [("norm", "layer")]), rows) < 0.5 * loss(weights, rows)


def test_what_was_given_stays_as_it_is():
    """Other parts read the same weights; and a channel of a norm that is nothing at all stays finite."""
    weights = unbalanced()
    weights["norm/gamma"][5] = weights["layer/weight"][:, 6] = 0
    before = {name: array.copy() for name, array in weights.items()}
    found = eased(weights, [("norm", "layer")])
    assert all((weights[name] == before[name]).all() for name in before)
    assert all(np.isfinite(array).all() for array in found.values())
    assert found["other/weight"] is weights["other/weight"]
