"""When each token was said: dynamic time warping through the attention of the heads that follow the sound.

The method is that of OpenAI's Whisper (``timing.py``): shares normalised over the tokens, smoothed over seven frames,
averaged over the heads, and the cheapest way through them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.native.desk import Desk
from core.engines.native.forward import Batch, forward
from core.engines.native.sound import Sound
from core.kernels.simd import kernel

SMOOTHED = 7  # frames of 20 ms


def starts(
    desk: Desk,
    sound: Sound,
    window: int,
    begin: Sequence[int],
    text: Sequence[int],
    frames: int,
    heads: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The frame of 20 ms at which each token of ``text`` begins, and that at which the last one ends: (tokens + 1,).

    ``begin``: what the text was written after; ``frames``: how many of the window are sound; ``heads`` int64 (n, 2):
    layer and head of those that follow the sound.
    """
    tokens = np.asarray([*begin, *text], np.int64)
    count, numbers = len(tokens), np.arange(len(tokens))
    desk.reserve(count, sound.keys.shape[3] * sound.keys.shape[5])
    memory = desk.memory(count, 1)
    heard = sound._replace(frames=np.full_like(sound.frames, frames))
    kept = np.zeros((len(heads), count, frames), np.float32)
    same = np.zeros(count, np.int64)
    batch = Batch(tokens, numbers, np.full(count, window), same, np.zeros((count, count), np.int64))
    forward(desk.model, heard, batch, memory, desk.bench, kept, heads)
    cost = np.zeros((count - len(begin) + 1, frames), np.float32)
    _cost(kept, len(begin) - 1, cost)
    found: NDArray[np.int64] = _path(cost)
    return found


@kernel
def _cost(kept: Any, first: int, cost: Any) -> None:
    """Minus the mean over the heads, from row ``first`` on."""
    heads, rows, frames = kept.shape
    column = np.zeros(frames, np.float32)
    for head in range(heads):
        mean, spread = _spread(kept[head])
        for row in range(first, rows):
            for frame in range(frames):
                column[frame] = (kept[head, row, frame] - mean[frame]) / spread[frame]
            _smooth(column, cost[row - first], np.float32(-1) / np.float32(heads))


@kernel
def _spread(shares: Any) -> Any:
    """Mean and standard deviation over the rows, per frame."""
    rows, frames = shares.shape
    mean, spread = np.zeros(frames, np.float32), np.zeros(frames, np.float32)
    for row in range(rows):
        for frame in range(frames):
            mean[frame] += shares[row, frame]
    for frame in range(frames):
        mean[frame] /= np.float32(rows)
    for row in range(rows):
        for frame in range(frames):
            spread[frame] += (shares[row, frame] - mean[frame]) ** 2
    for frame in range(frames):
        spread[frame] = max(np.sqrt(spread[frame] / np.float32(rows)), np.float32(1e-9))
    return mean, spread


@kernel
def _smooth(values: Any, out: Any, factor: Any) -> None:
    """Add the median of seven neighbours, mirrored at the ends, times ``factor``."""
    frames, half = len(values), SMOOTHED // 2
    near = np.zeros(frames + 2 * half, np.float32)
    for place in range(frames + 2 * half):
        at = abs(place - half)
        near[place] = values[at if at < frames else max(0, 2 * frames - 2 - at)]
    for at in range(frames):
        out[at] += factor * _median(
            near[at], near[at + 1], near[at + 2], near[at + 3], near[at + 4], near[at + 5], near[at + 6]
        )


@kernel
def _median(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any) -> Any:
    """Of seven, by exchanges alone: without a branch, sixteen places are done at once."""
    a, f = min(a, f), max(a, f)
    a, d = min(a, d), max(a, d)
    b, g = min(b, g), max(b, g)
    c, e = min(c, e), max(c, e)
    b = max(a, b)
    d, f = min(d, f), max(d, f)
    c, g = min(c, g), max(c, g)
    c, d = min(c, d), max(c, d)
    d = min(d, g)
    e = min(e, f)
    b, e = min(b, e), max(b, e)
    d = max(b, d)
    return min(d, e)


@kernel
def _path(cost: Any) -> Any:
    """The first frame of every row on the cheapest way, and the last frame of all."""
    rows, frames = cost.shape
    above = np.full(frames + 1, np.inf, np.float32)
    above[0] = 0
    came = np.zeros((rows, frames), np.uint8)  # 0: from both, 1: from the row above, 2: from the frame before
    for row in range(rows):
        current = np.full(frames + 1, np.inf, np.float32)
        for frame in range(frames):
            both, up, left = above[frame], above[frame + 1], current[frame]
            least = both
            if up < both or left < both:
                came[row, frame] = 1 if up < left else 2
                least = min(up, left)
            current[frame + 1] = cost[row, frame] + least
        above = current
    first = np.zeros(rows, np.int64)
    row, frame = rows - 1, frames - 1
    while row >= 0 and frame >= 0:
        first[row] = frame
        step = came[row, frame]
        if step != 1:
            frame -= 1
        if step != 2:
            row -= 1
    return first
