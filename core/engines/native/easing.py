"""Making layers easy to round to 8 bits: what comes in with large channels goes over into the weights.

A few channels of a layer norm's output are many times as large as the others, in every row. Rounded together, with one
scale for the row, the others are left with few steps. A channel of the norm may be divided by any number if the next
layer's weights for it are multiplied by that: nothing changes but what is lost in rounding. (SmoothQuant, Xiao et al.,
https://arxiv.org/abs/2211.10438. There the sizes are measured on text; here they are read off the norm itself.)
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import Weights

F32 = NDArray[np.float32]

SHARE = 0.7  # of a channel's size, as an exponent, that goes over; less of it left more to lose, and more as well
_USUAL = 3.0  # a normal variable is rarely larger, in standard deviations
_LEAST = 1e-3


def eased(weights: Weights, places: Iterable[tuple[str, str]]) -> Weights:
    """The same weights, those of each norm and of the layer that it alone leads to balanced: both by their names."""
    changed = dict(weights)
    for norm, layer in places:
        scale, shift, matrix = (changed[name].astype(np.float32) for name in _names(norm, layer))
        factor = _factor(scale, shift, matrix)
        balanced = (scale / factor, shift / factor, matrix * factor)
        changed.update(zip(_names(norm, layer), balanced, strict=True))
    return changed


def _names(norm: str, layer: str) -> tuple[str, str, str]:
    return f"{norm}/gamma", f"{norm}/beta", f"{layer}/weight"


def _factor(scale: F32, shift: F32, matrix: F32) -> F32:
    """By input channel; their geometric mean is 1."""
    size = _USUAL * np.abs(scale) + np.abs(shift)
    factor = np.maximum(size, 1e-9) ** SHARE / np.maximum(np.abs(matrix).max(axis=0), 1e-9) ** (1 - SHARE)
    eased_by: F32 = np.maximum(factor / np.exp(np.log(factor).mean()), _LEAST).astype(np.float32)
    return eased_by
