"""From scores of tokens to the likeliest ones."""

from typing import Any

import numpy as np

from core.kernels.bits import highest_of
from core.kernels.exponentials import exponentials, log_total
from core.kernels.simd import TILE, kernel

NEVER = np.float32(-1e30)


@kernel
def forbid(scores: Any, tokens: Any) -> None:
    """Take tokens out of the choice."""
    for token in tokens:
        scores[token] = NEVER


@kernel
def forbid_repeats(scores: Any, history: Any, length: int, size: int) -> None:
    """Take out what would make a sequence of ``size`` tokens come a second time. history int64 (positions,)."""
    for start in range(length - size + 1):
        same = True
        for offset in range(size - 1):
            same = same and history[start + offset] == history[length - size + 1 + offset]
        if same:
            scores[history[start + size - 1]] = NEVER


@kernel
def best(scores: Any, count: int, tokens: Any, values: Any) -> None:
    """The highest scores in falling order, as many as ``tokens`` int64 and ``values`` float32 have places.

    Of equal scores the lower token comes first. Whole tiles that hold nothing high enough are passed over.
    """
    places = len(tokens)
    for place in range(places):
        tokens[place], values[place] = -1, NEVER
    for start in range(0, count, TILE):
        end = min(count, start + TILE)
        if highest_of(scores[start:], end - start) <= values[places - 1]:
            continue
        for token in range(start, end):
            if scores[token] > values[places - 1]:
                place = places - 1
                while place > 0 and scores[token] > values[place - 1]:
                    tokens[place], values[place] = tokens[place - 1], values[place - 1]
                    place -= 1
                tokens[place], values[place] = token, scores[token]


@kernel
def candidates(
    scores: Any,
    count: int,
    size: int,
    forbidden: Any,
    again: Any,
    lengths: Any,
    no_repeat: int,
    tokens: Any,
    values: Any,
) -> None:
    """For each of the first ``count`` rows its likeliest tokens and their log-probabilities.

    scores float32 (rows, tokens, of which ``size`` are real), forbidden int64 (tokens,), again int64 (rows, positions):
    the tokens of each row's text so far, lengths int64 (rows,); results tokens int64 and values float32 (rows, places).
    Of the scores those from ``size`` up to the next multiple of 16, for which there is room, are overwritten.
    """
    for row in range(count):
        forbid(scores[row], forbidden)
        if no_repeat > 0:
            forbid_repeats(scores[row], again[row], lengths[row], no_repeat)
        total = log_total(scores[row], size)
        best(scores[row], size, tokens[row], values[row])
        for place in range(tokens.shape[1]):
            values[row, place] -= total


@kernel
def draw(
    scores: Any,
    count: int,
    size: int,
    forbidden: Any,
    temperature: float,
    chances: Any,
    tokens: Any,
    values: Any,
    scratch: Any,
) -> None:
    """For each row one token drawn with its probability at a temperature, and its log-probability without one.

    chances float32 (rows,) in [0, 1); scratch float32 (tokens,). Scores as for :func:`candidates`.
    """
    for row in range(count):
        forbid(scores[row], forbidden)
        total = log_total(scores[row], size)
        for token in range(size):
            scratch[token] = scores[row, token] / np.float32(temperature)
        whole = exponentials(scratch, size)
        left, drawn = whole * chances[row], size - 1
        for token in range(size):
            left -= scratch[token]
            if left < 0:
                drawn = token
                break
        tokens[row, 0], values[row, 0] = drawn, scores[row, drawn] - total
