"""The splitter on made-up probabilities: what holds for every audio, and the single rules."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio.frames import FRAME_SAMPLES, Probabilities
from core.audio.packing import MAX_PAD, MAX_PAUSE, OVERLAP
from core.audio.spans import MIN_PAUSE_FRAMES, MIN_SPEECH_FRAMES, Span, SpanFinder
from core.audio.split import Piece, Splitter
from core.models import MAX_WINDOW_SAMPLES, SAMPLE_RATE, CutPlan, Pcm

VAD = CutPlan(strategy="vad")
FIXED = CutPlan(strategy="fixed", chunk_seconds=10)
PLANS = {"vad": VAD, "fixed": FIXED}
FRAMES_PER_SECOND = SAMPLE_RATE / FRAME_SAMPLES


def curve(*runs: tuple[float, float]) -> Probabilities:
    """Probabilities from (seconds, value) pairs."""
    parts = [np.full(round(seconds * FRAMES_PER_SECOND), value, dtype=np.float32) for seconds, value in runs]
    return np.concatenate([np.zeros(0, dtype=np.float32), *parts])


def audio_for(probabilities: Probabilities, missing: int = 0) -> Pcm:
    """A ramp, loud where there is speech; ``missing`` samples short of whole frames."""
    count = max(0, len(probabilities) * FRAME_SAMPLES - missing)
    ramp = np.arange(count) % 997
    loud = np.repeat(probabilities >= 0.5, FRAME_SAMPLES)[:count]
    return np.where(loud, ramp * 8, ramp).astype(np.int16)


def split(
    plan: CutPlan, probabilities: Probabilities, *, missing: int = 0, blocks: tuple[int, ...] = ()
) -> tuple[list[Piece], Splitter]:
    """All windows; ``blocks``: frames per feed call, repeated (default: all at once)."""
    pcm, splitter, pieces = audio_for(probabilities, missing), Splitter(plan), []
    whole = len(pcm) // FRAME_SAMPLES
    position = turn = 0
    while position < whole:
        step = blocks[turn % len(blocks)] if blocks else whole
        end = min(position + step, whole)
        stop = len(pcm) if end == whole else end * FRAME_SAMPLES
        pieces += splitter.feed(pcm[position * FRAME_SAMPLES : stop], probabilities[position:end])
        position, turn = end, turn + 1
    if whole == 0 and len(pcm):
        splitter.feed(pcm, probabilities[:0])
    return pieces + splitter.finish(probabilities[whole:]), splitter


def spans_of(probabilities: Probabilities, total: int) -> list[Span]:
    """What the span finder calls speech."""
    finder = SpanFinder()
    found = [*finder.feed(probabilities), finder.close()]
    return [Span(start=span.start, end=min(span.end, total)) for span in found if span]


values = st.sampled_from([0.0, 0.2, 0.34, 0.4, 0.5, 0.9, 1.0])
short, long = st.floats(0.03, 3), st.floats(3, 50)
curves = st.lists(st.tuples(st.one_of(short, short, long), values), max_size=12).map(lambda runs: curve(*runs))
plans = st.sampled_from([VAD, FIXED, CutPlan(strategy="fixed", chunk_seconds=28)])


@settings(max_examples=80, deadline=None)
@given(plan=plans, probabilities=curves, missing=st.integers(0, FRAME_SAMPLES - 1))
def test_what_holds_for_every_audio(plan: CutPlan, probabilities: Probabilities, missing: int) -> None:
    """Windows fit the model, cores are in order and apart, all speech is in a core, and every window has speech."""
    pieces, splitter = split(plan, probabilities, missing=missing)
    pcm = audio_for(probabilities, missing)
    cuts = [cut for cut, _ in pieces]
    spans = spans_of(probabilities, len(pcm))
    assert [cut.index for cut in cuts] == list(range(len(cuts)))
    for cut, samples in pieces:
        assert 0 <= cut.start <= cut.core_start < cut.core_end <= cut.end <= len(pcm)
        assert cut.end - cut.start <= MAX_WINDOW_SAMPLES
        np.testing.assert_array_equal(samples, pcm[cut.start : cut.end])
        assert any(span.start < cut.end and span.end > cut.start for span in spans)
    assert all(left.core_end <= right.core_start for left, right in pairwise(cuts))
    covered = np.zeros(len(pcm), dtype=bool)
    for cut in cuts:
        covered[cut.core_start : cut.core_end] = True
    assert all(covered[span.start : span.end].all() for span in spans)
    assert splitter.totals.samples == len(pcm)
    assert splitter.totals.speech_samples == sum(span.end - span.start for span in spans)


@settings(max_examples=30, deadline=None)
@given(plan=plans, probabilities=curves, blocks=st.lists(st.integers(20, 2_000), min_size=1, max_size=5))
def test_the_windows_do_not_depend_on_the_blocks(
    plan: CutPlan, probabilities: Probabilities, blocks: list[int]
) -> None:
    """Fed in any blocks, the same windows come out."""
    whole, _ = split(plan, probabilities, missing=100)
    parts, _ = split(plan, probabilities, missing=100, blocks=tuple(blocks))
    assert [cut for cut, _ in parts] == [cut for cut, _ in whole]


@pytest.mark.parametrize("plan", PLANS)
def test_windows_are_cut_as_soon_as_what_they_need_is_there(plan: str) -> None:
    """Fed frame by frame, no window reaches past what was fed, with pauses and without."""
    probabilities = curve((1.25, 0), (62, 0.5), (0.3, 0), (20, 1))
    whole, _ = split(PLANS[plan], probabilities)
    parts, _ = split(PLANS[plan], probabilities, blocks=(1,))
    assert [cut for cut, _ in parts] == [cut for cut, _ in whole]


@settings(max_examples=30, deadline=None)
@given(plan=plans, probabilities=curves)
def test_nothing_held_grows_with_the_file(plan: CutPlan, probabilities: Probabilities) -> None:
    """Fed second by second, never more than 35 s of audio are in memory."""
    splitter, pcm, step = Splitter(plan), audio_for(probabilities), 31
    for frame in range(0, len(probabilities), step):
        samples = pcm[frame * FRAME_SAMPLES : (frame + step) * FRAME_SAMPLES]
        splitter.feed(samples, probabilities[frame : frame + step])
        assert splitter.held_samples <= 35 * SAMPLE_RATE


@pytest.mark.parametrize("plan", PLANS)
def test_silence_yields_nothing(plan: str) -> None:
    """Not one window, and the totals say how long it was."""
    pieces, splitter = split(PLANS[plan], curve((200, 0.1)))
    assert pieces == []
    assert splitter.totals.samples == 200 * SAMPLE_RATE
    assert splitter.totals.speech_samples == 0


@pytest.mark.parametrize("plan", PLANS)
def test_no_audio_yields_nothing(plan: str) -> None:
    """An empty stream is no error."""
    assert split(PLANS[plan], curve())[0] == []


def test_a_long_pause_belongs_to_no_window() -> None:
    """Windows end 0.4 s after speech and start 0.4 s before it when more than 2 s lie between."""
    (first, _), (second, _) = split(VAD, curve((4, 0), (6, 1), (3, 0), (5, 1), (4, 0)))[0]
    speech = spans_of(curve((4, 0), (6, 1), (3, 0), (5, 1), (4, 0)), 10**9)
    assert (first.start, first.end) == (speech[0].start - MAX_PAD, speech[0].end + MAX_PAD)
    assert (second.start, second.end) == (speech[1].start - MAX_PAD, speech[1].end + MAX_PAD)


def test_a_short_pause_stays_inside_its_window() -> None:
    """Up to 2 s: the model hears the speech as it was spoken."""
    pieces, _ = split(VAD, curve((3, 1), (MAX_PAUSE / SAMPLE_RATE - 0.1, 0), (3, 1)))
    assert len(pieces) == 1


def test_pads_never_reach_past_the_middle_of_a_pause() -> None:
    """A pause of 0.5 s is shared equally between two full windows."""
    pieces, _ = split(VAD, curve((25, 1), (0.5, 0), (25, 1)))
    (first, _), (second, _) = pieces
    middle = round(25.25 * SAMPLE_RATE)
    assert abs(first.end - middle) <= FRAME_SAMPLES
    assert first.end <= second.start <= first.end + FRAME_SAMPLES


def test_a_longer_pause_wins_over_a_later_one() -> None:
    """A sentence's end at 22 s is a better place than a breath at 28 s."""
    pieces, _ = split(VAD, curve((22, 1), (0.9, 0), (5, 1), (0.25, 0), (20, 1)))
    assert pieces[0][0].end < 23.5 * SAMPLE_RATE


def test_a_later_pause_wins_where_they_are_alike() -> None:
    """Long windows give the model context and cost less."""
    pieces, _ = split(VAD, curve((12, 1), (0.5, 0), (14, 1), (0.5, 0), (20, 1)))
    assert pieces[0][0].end > 26 * SAMPLE_RATE


def test_speech_without_pauses_is_cut_with_overlap_at_the_quietest_point() -> None:
    """Both neighbours hear a second of either side; their cores meet where the audio is quietest."""
    probabilities = curve((24, 1), (0.1, 0.4), (20, 1))
    (first, _), (second, _) = split(VAD, probabilities)[0]
    assert abs(first.core_end - 24.05 * SAMPLE_RATE) <= 3 * FRAME_SAMPLES
    assert first.core_end == second.core_start
    assert first.end == first.core_end + OVERLAP
    assert second.start == second.core_start - OVERLAP
    assert first.overlaps_right
    assert second.overlaps_left


def test_minutes_without_a_pause_are_cut_again_and_again() -> None:
    """Every window fits, every cut overlaps, and the cores are one piece from start to end."""
    cuts = [cut for cut, _ in split(VAD, curve((180, 1)))[0]]
    assert len(cuts) in range(6, 11)
    assert all(left.core_end == right.core_start for left, right in pairwise(cuts))
    assert (cuts[0].core_start, cuts[-1].core_end) == (0, 180 * SAMPLE_RATE)


def test_fixed_cores_follow_the_clock_and_hear_a_second_of_their_neighbours() -> None:
    """[i*d, (i+1)*d), the last one shorter."""
    cuts = [cut for cut, _ in split(FIXED, curve((25, 1)))[0]]
    second = SAMPLE_RATE
    assert [(cut.core_start, cut.core_end) for cut in cuts] == [
        (0, 10 * second),
        (10 * second, 20 * second),
        (20 * second, len(curve((25, 1))) * FRAME_SAMPLES),
    ]
    assert [cut.start for cut in cuts] == [0, 9 * second, 19 * second]
    assert [cut.end for cut in cuts][:2] == [11 * second, 21 * second]


def test_fixed_windows_without_speech_are_left_out_and_indexes_have_no_holes() -> None:
    """Speech at 5 s and 45 s only: two windows, numbered 0 and 1."""
    cuts = [cut for cut, _ in split(FIXED, curve((5, 0), (2, 1), (38, 0), (1, 1), (10, 0)))[0]]
    assert [(cut.index, cut.core_start // SAMPLE_RATE) for cut in cuts] == [(0, 0), (1, 40)]


@pytest.mark.parametrize(
    ("probabilities", "found"),
    [
        ([0.9] * 10, [(0, 10)]),
        ([0.9] * (MIN_SPEECH_FRAMES - 1) + [0.0] * 9, []),
        ([0.9] * 5 + [0.0] * (MIN_PAUSE_FRAMES - 1) + [0.9] * 5, [(0, 10 + MIN_PAUSE_FRAMES - 1)]),
        ([0.9] * 5 + [0.0] * MIN_PAUSE_FRAMES + [0.9] * 5, [(0, 5), (5 + MIN_PAUSE_FRAMES, 10 + MIN_PAUSE_FRAMES)]),
        ([0.4] * 10, []),
        ([0.9] + [0.4] * 10, [(0, 11)]),
        ([0.9] * 5 + [0.1] + [0.4] * 9, [(0, 5)]),
    ],
    ids=["speech", "click", "stop", "pause", "doubt", "hysteresis", "end is the first quiet frame"],
)
def test_spans(probabilities: list[float], found: list[tuple[int, int]]) -> None:
    """Speech starts at 0.5, ends where it fell below 0.35 for 96 ms, and lasts at least 128 ms."""
    spans = spans_of(np.array(probabilities, dtype=np.float32), 10**9)
    assert [(span.start // FRAME_SAMPLES, span.end // FRAME_SAMPLES) for span in spans] == found
