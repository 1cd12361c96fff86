"""The voice detector as a stream."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.audio.frames import FRAME_SAMPLES, Probabilities
from core.audio.vad import StreamingVad
from core.models import Pcm
from tests.helpers_audio import clip, noise, silence

AUDIO = np.concatenate([clip(0)[:40_000], silence(3), clip(1)[:30_000], silence(1.5), noise(0.5)])


def run(audio: Pcm, *cuts: int) -> Probabilities:
    """The probabilities of ``audio``, fed in pieces that end at ``cuts``."""
    vad = StreamingVad()
    edges = sorted({0, len(audio), *cuts})
    parts = [vad.feed(audio[start:end]) for start, end in pairwise(edges)]
    return np.concatenate([*parts, vad.finish()])


@pytest.fixture(scope="module")
def whole() -> Probabilities:
    """The result in one go."""
    return run(AUDIO)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(AUDIO)), max_size=12))
def test_the_result_does_not_depend_on_the_blocks(whole: Probabilities, cuts: list[int]) -> None:
    """However the audio is divided, the same numbers come out, to the last bit."""
    np.testing.assert_array_equal(run(AUDIO, *cuts), whole)


def test_feeding_single_samples_changes_nothing() -> None:
    """Blocks smaller than a frame are collected."""
    audio = clip(0)[:1_300]
    np.testing.assert_array_equal(run(audio, *range(len(audio))), run(audio))


def test_there_is_one_probability_per_frame_begun(whole: Probabilities) -> None:
    """The last, partial frame counts."""
    assert len(whole) == -(-len(AUDIO) // FRAME_SAMPLES)


def test_speech_is_told_from_silence_and_noise(whole: Probabilities) -> None:
    """Most of a spoken clip is speech, none of the digital silence and little of the noise."""
    frames = 40_000 // FRAME_SAMPLES
    gap = slice(frames + 10, frames + 90)
    assert (whole[:frames] > 0.5).mean() > 0.7
    assert (whole[gap] < 0.35).all()
    assert (run(noise(10)) > 0.5).mean() < 0.05


def test_long_digital_silence_is_zero_and_forgets_what_was_before() -> None:
    """After a second of zeros the network is left out, and what follows is judged as at a file's start."""
    start = 100 * FRAME_SAMPLES
    after = run(np.concatenate([clip(0)[: 10 * FRAME_SAMPLES], np.zeros(start, dtype=np.int16), clip(1)]))
    assert (after[50:110] == 0).all()
    np.testing.assert_array_equal(after[110:], run(clip(1)))


def test_no_audio_gives_no_frames() -> None:
    """An empty stream is no error."""
    assert len(run(silence(0))) == 0
