"""The kernels against the same sums written plainly in NumPy."""

import numpy as np
import pytest

from core.engines.ct2_file import HEAD
from core.engines.native.attention import listen, new_room
from core.engines.native.choose import NEVER, best, candidates, draw, forbid_repeats
from core.engines.native.forward import erf
from core.engines.native.linear import apply, new_rows, pack
from core.engines.native.sound import new_sound, pack_sound
from core.engines.native.timing import _path, _smooth

RANDOM = np.random.default_rng(7)
NOTHING_KEPT, NO_HEADS = np.zeros((0, 0, 0), np.float32), np.zeros((0, 2), np.int64)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def test_a_linear_layer_is_what_it_should_be_within_8_bits():
    """Outputs that fill no tile, a bias, more than one layer, more rows than a tile has."""
    weights, biases = [normal(100, 64) for _ in range(2)], [normal(100) for _ in range(2)]
    x, y = normal(6, 64), np.zeros((6, 128), np.float32)
    apply(x, 6, pack(weights, biases), 1, y, new_rows(6, 64))
    wanted = x @ weights[1].T + biases[1]
    assert np.linalg.norm(y[:, :100] - wanted) < 0.02 * np.linalg.norm(wanted)


def test_a_row_is_the_same_alone_and_among_others():
    """To the last bit."""
    linear, x = pack([normal(64, 64)], [None]), normal(9, 64)
    together, alone = np.zeros((9, 64), np.float32), np.zeros((1, 64), np.float32)
    apply(x, 9, linear, 0, together, new_rows(9, 64))
    apply(x[5:6].copy(), 1, linear, 0, alone, new_rows(1, 64))
    assert (together[5] == alone[0]).all()


@pytest.mark.parametrize("frames", [1, 37, 64, 150])
@pytest.mark.parametrize("at", [0, 2 * HEAD])
def test_attention_to_the_sound_is_what_it_should_be_within_8_bits(frames, at):
    """Two heads, three rows, frames that fill neither a tile nor a group; shares are kept where they are asked for.
    Keys and values stand behind something else, as queries do."""
    sound, projected = new_sound(1, 1, 2, 150), normal(150, 4 * HEAD)
    pack_sound(0, np.hstack([normal(150, at), projected]), at, 0, sound)
    sound.frames[0] = frames
    q, out = normal(3, 2 * HEAD), np.zeros((3, 2 * HEAD), np.float32)
    kept = np.zeros((1, 3, frames), np.float32)
    listen(q, 0, 3, sound, 0, 0, out, new_room(3, 150), kept, np.array([[0, 1]]))
    keys, values = projected[:frames, HEAD : 2 * HEAD], projected[:frames, 3 * HEAD :]
    shares = np.exp(q[:, HEAD:] @ keys.T - (q[:, HEAD:] @ keys.T).max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    assert np.abs(kept[0] - shares).max() < 0.08
    assert np.linalg.norm(out[:, HEAD:] - shares @ values) < 0.08 * np.linalg.norm(shares @ values)


def test_attention_that_is_spread_over_many_frames_is_not_rounded_away():
    """One frame is 600 times as likely as each of the others, which together weigh more than twice as much as it."""
    frames = 1500
    sound, projected = new_sound(1, 1, 1, frames), normal(frames, 2 * HEAD)
    projected[:, :HEAD] = 0
    projected[7, 0] = np.log(600)
    projected[:, HEAD:] = projected[:, HEAD:] * 0.1 + 1
    pack_sound(0, projected, 0, 0, sound)
    q, out = np.eye(1, HEAD, dtype=np.float32), np.zeros((1, HEAD), np.float32)
    listen(q, 0, 1, sound, 0, 0, out, new_room(1, frames), NOTHING_KEPT, NO_HEADS)
    shares = np.exp(projected[:, 0])
    wanted = shares @ projected[:, HEAD:] / shares.sum()
    assert np.linalg.norm(out - wanted) < 0.02 * np.linalg.norm(wanted)


def test_the_error_function_is_close_enough():
    """Far closer than 8 bits can tell."""
    assert float(erf(np.float32(1.0))) == pytest.approx(0.682689, abs=1e-4)
    assert float(erf(np.float32(9.0))) == pytest.approx(1.0, abs=1e-4)


def test_the_highest_scores_come_in_order_and_the_first_of_equals_wins():
    """Across tiles, and with fewer scores than places."""
    scores = np.zeros(200, np.float32)
    scores[[150, 3, 70]] = [5, 4, 4]
    tokens, values = np.zeros(4, np.int64), np.zeros(4, np.float32)
    best(scores, 200, tokens, values)
    assert tokens.tolist() == [150, 3, 70, 0]
    assert values.tolist() == [5, 4, 4, 0]


@pytest.mark.parametrize("size", [64, 70, 79])
def test_tokens_have_the_probabilities_that_numpy_gives_them(size):
    """Of a vocabulary that fills no vector; what stands behind it says nothing. One token may not come."""
    scores, many = np.full((2, 80), 50, np.float32), np.array([3])
    scores[:, :size] = normal(2, size) * 3
    wanted = scores[:, :size].astype(np.float64)
    wanted[:, 3] = -np.inf
    wanted -= np.log(np.exp(wanted).sum(axis=1, keepdims=True))
    again, lengths, none = np.zeros((2, 4), np.int64), np.zeros(2, np.int64), np.zeros(2, np.float32)
    tokens, values = np.zeros((2, 2), np.int64), np.zeros((2, 2), np.float32)
    candidates(scores.copy(), 2, size, many, again, lengths, 0, tokens, values)
    order = np.argsort(-wanted, axis=1)[:, :2]
    assert (tokens == order).all()
    np.testing.assert_allclose(values, np.take_along_axis(wanted, order, 1), atol=1e-4)
    first, value = np.zeros((2, 1), np.int64), np.zeros((2, 1), np.float32)
    draw(scores, 2, size, many, 1.0, none, first, value, np.zeros(80, np.float32))
    assert first[:, 0].tolist() == [0, 0]
    np.testing.assert_allclose(value[:, 0], wanted[:, 0], atol=1e-4)


def test_what_would_repeat_a_sequence_is_forbidden():
    """After 1 2 3 … 1 2 no 3 may come; anything else may."""
    scores, history = np.zeros(10, np.float32), np.array([1, 2, 3, 4, 1, 2, 0, 0])
    forbid_repeats(scores, history, 6, 3)
    assert np.flatnonzero(scores == NEVER).tolist() == [3]


def test_smoothing_takes_the_median_of_seven_mirrored_at_the_ends():
    """As NumPy does it with reflected edges."""
    values, out = normal(40), np.zeros(40, np.float32)
    _smooth(values, out, np.float32(1))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 3, mode="reflect"), 7)
    assert np.allclose(out, np.median(windows, axis=1))


def test_the_cheapest_way_is_found():
    """Rows that are cheap at known frames begin there."""
    cost = np.ones((4, 20), np.float32)
    for row, (start, end) in enumerate([(0, 5), (5, 9), (9, 17), (17, 20)]):
        cost[row, start:end] = -1
    assert _path(cost).tolist() == [0, 5, 9, 17]
