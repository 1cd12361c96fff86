"""Where a window is silent, and what that does to word times."""

import numpy as np
import pytest

from core.engines.alignment import TimedWord
from core.engines.pauses import Pause, correct, find_pauses
from core.models import SAMPLE_RATE, Pcm, Word


def sound(*spans: tuple[float, float], seconds: float, noise: float = 0.0) -> Pcm:
    """A tone in each span, over white noise of that many steps."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    audio = np.random.default_rng(2).normal(scale=noise, size=len(time)) if noise else np.zeros(len(time))
    for start, end in spans:
        inside = (time >= start) & (time < end)
        audio[inside] += 6000 * np.sin(2 * np.pi * 220 * time[inside])
    return audio.astype(np.int16)


def words(*spans: tuple[float, float]) -> list[TimedWord]:
    return [
        TimedWord(word=Word(start=start, end=end, text=f" w{index}", probability=1.0), tokens=(index,))
        for index, (start, end) in enumerate(spans)
    ]


def spans(items: list[TimedWord]) -> list[tuple[float, float]]:
    return [(item.word.start, item.word.end) for item in items]


@pytest.mark.parametrize("noise", [0.0, 30.0, 200.0])
def test_pauses_are_found_to_a_few_hundredths(noise: float) -> None:
    """At the window's edges and inside, in silence and over noise 30 dB below speech."""
    found = find_pauses(sound((0.5, 1.5), (3.0, 4.0), seconds=5.0, noise=noise))
    expected = [(0.0, 0.5), (1.5, 3.0), (4.0, 5.0)]
    assert np.array([(pause.start, pause.end) for pause in found]) == pytest.approx(np.array(expected), abs=0.03)


def test_a_gap_inside_a_word_is_no_pause() -> None:
    """The closure of a consonant lasts a tenth of a second."""
    assert find_pauses(sound((0.0, 1.0), (1.1, 2.0), seconds=2.0)) == []


def test_a_click_does_not_end_a_pause() -> None:
    """Ten milliseconds are no word."""
    assert len(find_pauses(sound((0.0, 1.0), (1.5, 1.51), (2.0, 3.0), seconds=3.0))) == 1


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.05, 3.0])
def test_noise_alone_has_no_pauses(seconds: float) -> None:
    """Where loud and quiet hardly differ, energy tells nothing, and times are left as they are."""
    assert find_pauses(sound(seconds=seconds, noise=3000.0)) == []


def test_a_word_that_fills_the_pause_was_said_after_it() -> None:
    """Though its end is nearer to the pause than its start: words begin too early, they do not end too late."""
    result = correct(words((0.2, 0.98), (0.98, 2.95), (2.95, 3.8)), [Pause(start=1.0, end=3.0)], 5.0)
    assert spans(result) == [(0.2, 1.0), (3.0, 3.4), (3.4, 3.8)]


def test_what_lies_between_two_words_is_the_boundary() -> None:
    """After a full stop, which was given half of the pause; the next word was given the rest of it."""
    result = correct(words((0.2, 0.7), (1.2, 2.95), (2.95, 3.8)), [Pause(start=1.05, end=2.9)], 5.0)
    assert spans(result) == [(0.2, 1.05), (2.9, 2.95), (2.95, 3.8)]


def test_a_short_word_before_a_pause_stays_before_it() -> None:
    """Inside a window and at its end, where no word can follow; a long one at the end stays, too."""
    before = words((9.30, 9.52), (9.52, 9.60), (10.40, 10.8))
    assert spans(correct(before, [Pause(start=9.60, end=10.40)], 11.0)) == spans(before)
    last = words((9.30, 9.52), (9.52, 9.60))
    assert spans(correct(last, [Pause(start=9.60, end=10.0)], 10.0)) == spans(last)
    long = correct(words((9.0, 9.45), (9.45, 9.95)), [Pause(start=9.5, end=10.0)], 10.0)
    assert spans(long) == [(9.0, 9.45), (9.45, 9.5)]


def test_of_two_pauses_between_two_words_each_moves_what_is_near_to_it() -> None:
    """Somebody coughs between them: the word after it is not taken for said before the cough."""
    result = correct(
        words((0.2, 0.9), (4.6, 5.0), (5.0, 5.4)), [Pause(start=1.0, end=1.8), Pause(start=2.9, end=4.5)], 6.0
    )
    assert spans(result) == [(0.2, 1.0), (4.5, 5.0), (5.0, 5.4)]


def test_a_word_that_starts_in_the_pause_is_moved_to_the_sound() -> None:
    """Whisper lets the first word after a pause begin where the last one ended; its end and the others stay."""
    result = correct(words((0.2, 1.0), (1.0, 3.4), (3.4, 3.8)), [Pause(start=1.0, end=3.0)], 5.0)
    assert spans(result) == [(0.2, 1.0), (3.0, 3.4), (3.4, 3.8)]


def test_a_word_that_reaches_into_the_pause_ends_with_its_sound() -> None:
    """The other side of the same boundary."""
    result = correct(words((0.2, 2.9), (2.9, 3.4)), [Pause(start=1.0, end=3.0)], 5.0)
    assert spans(result) == [(0.2, 1.0), (3.0, 3.4)]


def test_silence_at_the_edges_is_cut_off() -> None:
    """The first word starts, and the last one ends, with sound."""
    result = correct(words((0.0, 1.0), (1.0, 4.9)), [Pause(start=0.0, end=0.6), Pause(start=2.0, end=5.0)], 5.0)
    assert spans(result) == [(0.6, 1.0), (1.0, 2.0)]


def test_a_pause_far_from_every_boundary_changes_nothing() -> None:
    """It is inside one long sound, as far as the alignment knows."""
    original = words((0.0, 9.0), (9.0, 9.5))
    assert spans(correct(original, [Pause(start=3.0, end=3.3)], 10.0)) == spans(original)


def test_no_words_need_no_correction() -> None:
    """An empty window with pauses."""
    assert correct([], [Pause(start=0.0, end=1.0)], 1.0) == []
