"""The floor: what is counted."""

import pytest

from benchmarks.roofline import FRAMES, Machine, Work, floor_seconds, work_of

BASE = {"n_mels": 80, "n_audio_state": 512, "n_audio_layer": 6, "n_text_layer": 6, "n_vocab": 51_865}


def test_the_work_of_base() -> None:
    """22 million values in the decoder's matrices, and 27 million in that of the words."""
    work = work_of(BASE)
    matrices = 6 * (4 + 2 + 8) * 512 * 512
    assert work.weight_bytes == matrices + 51_865 * 512
    assert work.window_bytes == 6 * 2 * FRAMES * 512
    assert work.token_flops == 2 * (work.weight_bytes + work.window_bytes)
    layers = 6 * (2 * FRAMES * 12 * 512**2 + 4 * FRAMES**2 * 512)
    shared = 6 * 2 * FRAMES * 2 * 512**2
    stem = 2 * 3 * 512 * (2 * FRAMES * 80 + FRAMES * 512)
    assert work.encoder_flops == layers + shared + stem


@pytest.mark.parametrize(("bandwidth", "step"), [(1e12, 0.2), (4.0, 5.0)])
def test_a_step_takes_the_longer_of_arithmetic_and_reading(bandwidth: float, step: float) -> None:
    """The weights are read once for a batch, a window's own values once for the window."""
    work = Work(encoder_flops=30.0, token_flops=2.0, weight_bytes=80.0, window_bytes=10.0)
    found = floor_seconds(work, Machine(flops=10.0, byte_ops=4.0, bytes=bandwidth), 7, batch=8)
    assert found["encoder_seconds"] == 3.0
    assert found["decoder_seconds"] == pytest.approx(7 * step)
    assert found["floor_seconds"] == pytest.approx(3.0 + 7 * step)


def test_the_faster_arithmetic_counts() -> None:
    """Of floats or of bytes."""
    work = Work(encoder_flops=30.0, token_flops=2.0, weight_bytes=80.0, window_bytes=10.0)
    assert floor_seconds(work, Machine(flops=1.0, byte_ops=10.0, bytes=1e12), 7)["encoder_seconds"] == 3.0
