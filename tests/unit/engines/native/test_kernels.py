"""The kernels against the same sums written plainly in NumPy."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from core.engines.ct2_file import HEAD
from core.engines.native import simd, tiles
from core.engines.native.attention import exponentials, listen, new_room
from core.engines.native.bits import highest_of
from core.engines.native.choose import NEVER, best, forbid_repeats, log_total
from core.engines.native.forward import erf
from core.engines.native.linear import apply, new_rows, pack
from core.engines.native.sound import new_sound, pack_sound
from core.engines.native.timing import _path, _smooth

RANDOM = np.random.default_rng(7)
NOTHING_KEPT, NO_HEADS = np.zeros((0, 0, 0), np.float32), np.zeros((0, 2), np.int64)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("signed", [False, True])
def test_the_plain_loop_and_the_vector_instruction_give_the_same_sums(signed):
    """To the last bit: so a text does not depend on the processor."""
    row_kind, weight_kind = (np.int8, np.uint8) if signed else (np.uint8, np.int8)
    rows = RANDOM.integers(np.iinfo(row_kind).min, np.iinfo(row_kind).max, (7, 64)).astype(row_kind)
    weights = RANDOM.integers(np.iinfo(weight_kind).min, np.iinfo(weight_kind).max, (16, 64, 4)).astype(weight_kind)
    wanted = rows[3:7].astype(np.int32) @ weights.transpose(0, 2, 1).reshape(64, 64).astype(np.int32)
    chosen = tiles._vector_sums(signed_rows=signed) if simd.has_vnni() else tiles.plain_sums
    for multiply in (chosen, tiles.plain_sums):
        sums = np.zeros((4, 64), np.int32)
        multiply(rows, 3, weights, sums, 16)
        assert (sums == wanted).all()


def test_what_becomes_of_the_sums_is_the_same_in_both_loops():
    """To the last bit, in the place that it belongs to and nowhere else."""
    rows, weights = RANDOM.integers(0, 255, (9, 64)).astype(np.uint8), normal(16, 64, 4).astype(np.int8)
    row_scale, layer = abs(normal(9)), (RANDOM.integers(-99, 99, 128).astype(np.int32), normal(128), normal(128))
    found = []
    for project, score in ((tiles.project_tile, tiles.score_tile), (tiles.plain_project, tiles.plain_score)):
        y, scores = np.zeros((9, 128), np.float32), np.zeros((9, 128), np.float32)
        sums = np.zeros((4, 64), np.int32)
        project(rows, 3, weights, row_scale, layer, y, 64, sums)
        score(rows.view(np.int8), 3, weights.view(np.uint8), row_scale, scores, 64, sums)
        found.append((y, scores))
    (y, scores), (plain_y, plain_scores) = found
    assert (y == plain_y).all()
    assert (scores == plain_scores).all()
    for made in (y, scores):
        assert made[3:7, 64:].all()
        assert np.count_nonzero(made) == 4 * 64


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
def test_attention_to_the_sound_is_what_it_should_be_within_8_bits(frames):
    """Two heads, three rows, frames that fill neither a tile nor a group; shares are kept where they are asked for."""
    sound, projected = new_sound(1, 1, 2, 150), normal(150, 4 * HEAD)
    pack_sound(0, projected, 0, sound)
    sound.frames[0] = frames
    q, out = normal(3, 2 * HEAD), np.zeros((3, 2 * HEAD), np.float32)
    kept = np.zeros((1, 3, frames), np.float32)
    listen(q, 0, 3, sound, 0, 0, out, new_room(3, 150), kept, np.array([[0, 1]]))
    keys, values = projected[:frames, HEAD : 2 * HEAD], projected[:frames, 3 * HEAD :]
    shares = np.exp(q[:, HEAD:] @ keys.T - (q[:, HEAD:] @ keys.T).max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    assert np.abs(kept[0] - shares).max() < 0.08
    assert np.linalg.norm(out[:, HEAD:] - shares @ values) < 0.08 * np.linalg.norm(shares @ values)


def test_exponentials_and_the_error_function_are_close_enough():
    """Far closer than 8 bits can tell."""
    scores = np.linspace(-30, 5, 200, dtype=np.float32)
    wanted = np.exp(scores - 5)
    total = exponentials(scores, 200)
    assert np.abs(scores - wanted).max() < 1e-4
    assert total == pytest.approx(wanted.sum(), rel=1e-4)
    assert float(erf(np.float32(1.0))) == pytest.approx(0.682689, abs=1e-4)
    assert float(erf(np.float32(9.0))) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("count", [1, 15, 16, 77])
def test_the_highest_is_found_among_any_numbers(count):
    """Negative ones, zeros of both signs, and what stands behind the last does not count."""
    values = np.concatenate([normal(count) - 3, np.full(9, 50, np.float32)])
    assert highest_of(values, count) == values[:count].max()
    assert highest_of(np.array([-0.0, -5.0, 0.0], np.float32), 3) == 0


def test_kernels_are_kept_by_the_text_of_all_of_them():
    """Numba compiles one into another and would not notice that the inner one has changed."""
    text = b"".join(path.read_bytes() for path in sorted(Path(simd.__file__).parent.glob("*.py")))
    assert hashlib.sha256(text).hexdigest()[:12] in simd._numba.CACHE_DIR


def test_the_highest_scores_come_in_order_and_the_first_of_equals_wins():
    """Across tiles, and with fewer scores than places."""
    scores = np.zeros(200, np.float32)
    scores[[150, 3, 70]] = [5, 4, 4]
    tokens, values = np.zeros(4, np.int64), np.zeros(4, np.float32)
    best(scores, 200, tokens, values)
    assert tokens.tolist() == [150, 3, 70, 0]
    assert values.tolist() == [5, 4, 4, 0]
    assert log_total(scores, 200, np.zeros(200, np.float32)) == pytest.approx(np.log(np.exp(scores).sum()), rel=1e-4)


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
