"""The first convolution of the voice detector against the same sums written plainly."""

import numpy as np

from core.audio.silero.winograd import mix, mixed, part

RANDOM = np.random.default_rng(5)


def test_six_products_give_what_three_taps_give() -> None:
    """At four times of four frames, in whose first and last a tap stands outside; nothing is below zero."""
    loud = RANDOM.standard_normal((4, 129, 4)).astype(np.float32)
    weights, bias = RANDOM.standard_normal((128, 129, 3)).astype(np.float32), np.arange(-64, 64).astype(np.float32)
    inputs = np.zeros(6 * 129 * 4, np.float32)
    mix(loud.reshape(-1), inputs)
    products = np.einsum("pif,oip->fpo", inputs.reshape(6, 129, 4), mixed(weights)).reshape(4, -1)
    padded = np.pad(loud, ((1, 1), (0, 0), (0, 0))).astype(np.float64)
    for frame in range(4):
        wanted = [np.einsum("ki,oik->o", padded[time : time + 3, :, frame], weights) + bias for time in range(4)]
        found = np.zeros(4 * 128, np.float32)
        part(products[frame], bias, found)
        np.testing.assert_allclose(found.reshape(4, 128), np.maximum(wanted, 0), atol=2e-4)
