"""The inner loops against the same sums written plainly in NumPy."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import core
from core.kernels import floats, simd, tiles
from core.kernels.bits import LOG2_E, highest_of, power_of_two

RANDOM = np.random.default_rng(7)


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


@pytest.mark.parametrize("count", [1, 15, 16, 77])
def test_the_highest_is_found_among_any_numbers(count):
    """Negative ones, zeros of both signs, and what stands behind the last does not count."""
    values = np.concatenate([normal(count) - 3, np.full(9, 50, np.float32)])
    assert highest_of(values, count) == values[:count].max()
    assert highest_of(np.array([-0.0, -5.0, 0.0], np.float32), 3) == 0


def test_kernels_are_kept_by_the_text_of_all_of_them():
    """Numba compiles one into another and would not notice that the inner one has changed."""
    root = Path(core.__file__).parent
    written = [path for path in root.rglob("*.py") if "@kernel" in path.read_text()]
    assert {str(path.parent.relative_to(root)) for path in written} <= set(simd._PLACES)
    files = [path for place in simd._PLACES for path in sorted((root / place).glob("*.py"))]
    text = b"".join(path.read_bytes() for path in files)
    assert hashlib.sha256(text).hexdigest()[:12] in simd._numba.CACHE_DIR


@pytest.mark.parametrize("outputs", [64, 100])
def test_products_of_floats_are_what_numpy_finds(outputs):
    """Of some inputs of some rows, with a bias, in their place and nowhere else."""
    rows, matrix, bias = normal(8, 50), normal(outputs, 40), normal(128)
    out = np.zeros((8, 200), np.float32)
    floats.dense(rows, 7, 6, floats.pack(matrix), 10, 30, bias, out, 3)
    wanted = rows[:6, 7:37] @ matrix[:, 10:].T + bias[:outputs]
    np.testing.assert_allclose(out[:6, 3 : 3 + outputs], wanted, rtol=1e-4, atol=1e-5)
    assert not out[:, :3].any()
    assert not out[:, 131:].any()


def test_a_row_of_floats_is_the_same_alone_and_among_others():
    """To the last bit."""
    rows, weights, bias = normal(8, 40), floats.pack(normal(128, 40)), normal(128)
    together, alone = np.zeros((8, 128), np.float32), np.zeros(128, np.float32)
    floats.dense(rows, 0, 8, weights, 0, 40, bias, together, 0)
    floats.dense_row(rows[5].copy(), weights, bias, alone)
    assert (together[5] == alone).all()


def test_powers_of_two_are_close_enough():
    """Over all that a float32 holds but the ends."""
    exponents = np.linspace(-126, 126, 1001, dtype=np.float32)
    found = np.array([power_of_two(y) for y in exponents])
    np.testing.assert_allclose(found, np.exp2(exponents.astype(np.float64)), rtol=1e-5)
    assert power_of_two(np.float32(LOG2_E)) == pytest.approx(np.e, rel=1e-5)


def test_a_full_disk_costs_only_the_keeping():
    """What was compiled is used all the same."""

    class Cache:
        def save_overload(self, *_what):
            raise OSError(28, "No space left on device")

    cache = Cache()
    with pytest.raises(OSError, match="No space"):
        cache.save_overload("code")
    simd._keep_if_there_is_room(cache)
    cache.save_overload("code")
