"""The first convolution, of four times with nothing before and after them: six products where the plain sum takes ten.

Source: F(4, 3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
"""

from typing import Any

import numpy as np

from core.kernels.floats import F32
from core.kernels.fourier import BINS
from core.kernels.simd import ROWS, kernel

_PART = BINS * ROWS
_TAPS = np.array([[6, -4, -4, 1, 1, 0], [0, -4, 4, 2, -2, 0], [0, -4, -4, 4, 4, 24]]) / 24
PRODUCTS = _TAPS.shape[1]


def mixed(taps: F32) -> F32:
    """Weights as the products take them: float32 (outputs, inputs, 3) to (outputs, inputs, 6)."""
    return (taps @ _TAPS).astype(np.float32)


@kernel
def mix(loud: Any, out: Any) -> None:
    """Inputs as the products take them: float32 (4 * 129 * 4,), by time, bin and frame, to (6 * 129 * 4,)."""
    one, two, three, four = loud[:_PART], loud[_PART:], loud[2 * _PART :], loud[3 * _PART :]
    for each in range(_PART):
        a, b, c, d = one[each], two[each], three[each], four[each]
        near, far = d - np.float32(4) * b, c - np.float32(4) * a
        out[each] = d - np.float32(5) * b
        out[_PART + each] = near + far
        out[2 * _PART + each] = near - far
        near, far = d - b, np.float32(2) * (c - a)
        out[3 * _PART + each] = near + far
        out[4 * _PART + each] = near - far
        out[5 * _PART + each] = np.float32(4) * a - np.float32(5) * c


@kernel
def part(products: Any, bias: Any, out: Any) -> None:
    """One frame's outputs at four times, none below zero: float32 (6 * outputs,) to (4 * outputs,)."""
    width = len(bias)
    for each in range(width):
        a, b = products[width + each], products[2 * width + each]
        c, d = products[3 * width + each], products[4 * width + each]
        near, far = a + b, c + d
        out[each] = products[each] + near + far
        out[2 * width + each] = near + np.float32(4) * far
        near, far = a - b, np.float32(2) * (c - d)
        out[width + each] = near + far
        out[3 * width + each] = products[5 * width + each] + near + np.float32(4) * far
    for time in range(4):
        for each in range(width):
            at = time * width + each
            out[at] = max(out[at] + bias[each], np.float32(0))
