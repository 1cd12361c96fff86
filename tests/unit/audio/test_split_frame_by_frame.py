"""The splitter goes by runs of frames that are judged alike. What comes out is what single frames would give."""

from collections.abc import Iterator
from itertools import chain, cycle, repeat

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.audio.clock import ClockPacker
from core.audio.frames import FRAME_SAMPLES, Probabilities
from core.audio.packing import PausePacker, QuietPoint
from core.audio.spans import Span, SpanFinder
from core.audio.split import Splitter, Totals
from core.models import Cut, CutPlan, Pcm

SPEECH = 0.9
Fed = tuple[list[Cut], int]  # the cuts that a feed gave, and how many samples were held after it


class PlainFinder(SpanFinder):
    """One probability after the other."""

    def __init__(self) -> None:
        self.frame = 0
        self.start: int | None = None
        self.quiet_since: int | None = None

    @property
    def now(self) -> int:
        """As in the product."""
        return self.frame * FRAME_SAMPLES

    @property
    def open_start(self) -> int | None:
        """As in the product."""
        return None if self.start is None else self.start * FRAME_SAMPLES

    @property
    def speech_until(self) -> int:
        """As in the product."""
        return self.now if self.quiet_since is None else self.quiet_since * FRAME_SAMPLES

    def step(self, probability: float) -> Span | None:
        """One more frame; the span that it ended."""
        if probability >= 0.5:
            self.start = self.frame if self.start is None else self.start
            self.quiet_since = None
        elif probability < 0.35 and self.start is not None and self.quiet_since is None:
            self.quiet_since = self.frame
        self.frame += 1
        return self.close() if self.quiet_since is not None and self.frame - self.quiet_since == 3 else None

    def close(self) -> Span | None:
        """As in the product."""
        start, end = self.start, self.frame if self.quiet_since is None else self.quiet_since
        self.start = self.quiet_since = None
        long = start is not None and end - start >= 4
        return Span(start=start * FRAME_SAMPLES, end=end * FRAME_SAMPLES) if start is not None and long else None


def quiet_points(pcm: Pcm, probabilities: Probabilities) -> QuietPoint:
    """From the figures of all frames of the file."""
    padded = np.zeros(len(probabilities) * FRAME_SAMPLES)
    padded[: len(pcm)] = pcm
    power = (padded.reshape(-1, FRAME_SAMPLES) ** 2).mean(axis=1)
    figures = 10 * np.log10(power + 1) + 20.0 * probabilities

    def quiet_point(start: int, end: int) -> int:
        low, high = -(-start // FRAME_SAMPLES), end // FRAME_SAMPLES
        around = [figures[low + shift : high + shift] for shift in (-2, -1, 0, 1, 2)]
        return (low + int(np.argmin(np.mean(around, axis=0)))) * FRAME_SAMPLES + FRAME_SAMPLES // 2

    return quiet_point


class PlainSplitter:
    """All frames, one by one, into the product's packers."""

    def __init__(self, plan: CutPlan, pcm: Pcm, probabilities: Probabilities) -> None:
        self._total, self._probabilities = len(pcm), probabilities.tolist()
        self._finder = PlainFinder()
        self._packer = (
            ClockPacker(self._finder, plan.chunk_seconds)
            if plan.strategy == "fixed"
            else PausePacker(self._finder, quiet_points(pcm, probabilities))
        )
        self._kept_from = 0
        self.speech_samples = 0

    def feed(self, end: int) -> Fed:
        """As far as ``end``."""
        cuts = list(self._go(end // FRAME_SAMPLES))
        self._kept_from = max(self._kept_from, min(self._packer.needed_from, end))
        return cuts, end - self._kept_from

    def finish(self) -> Fed:
        """The last, partial frame, and what is then left."""
        cuts, held = list(self._go(len(self._probabilities))), self.feed(self._total)[1]
        return cuts + list(self._packer.finish(self._count(self._finder.close()), self._total)), held

    def _go(self, frames: int) -> Iterator[Cut]:
        for probability in self._probabilities[self._finder.frame : frames]:
            yield from self._packer.step(self._count(self._finder.step(probability)))

    def _count(self, span: Span | None) -> Span | None:
        if span is not None:
            self.speech_samples += min(span.end, self._total) - span.start
        return span


def next_to(value: float) -> list[float]:
    """The three float32 closest to it: also below and above."""
    exact = np.float32(value)
    return [float(near) for near in (np.nextafter(exact, np.float32(0)), exact, np.nextafter(exact, np.float32(1)))]


def curve(runs: list[tuple[int, float]]) -> Probabilities:
    """Probabilities from (frames, value) pairs; ``SPEECH`` is of another sureness in each frame."""
    values = np.array(list(chain.from_iterable(repeat(value, frames) for frames, value in runs)))
    sureness = np.random.default_rng(len(values)).uniform(0.5, 1, len(values))
    return np.where(values == SPEECH, sureness, values).astype(np.float32)


def noise(probabilities: Probabilities, missing: int) -> Pcm:
    """Of another loudness in each frame; ``missing`` samples short of whole frames."""
    random, count = np.random.default_rng(len(probabilities)), len(probabilities) * FRAME_SAMPLES
    loudness = np.repeat(random.integers(1, 30, len(probabilities)), FRAME_SAMPLES)
    return np.asarray(loudness * (np.arange(count) % 997 - 498), dtype=np.int16)[: max(0, count - missing)]


clicks, words, long = st.integers(1, 8), st.integers(10, 130), st.integers(800, 2_200)
values = st.sampled_from([0.0, 0.2, *next_to(0.35), 0.4, *next_to(0.5), SPEECH, 1.0, float("nan")])
curves = st.lists(st.tuples(st.one_of(clicks, clicks, words, words, long), values), max_size=30).map(curve)
steps = st.lists(st.one_of(st.integers(0, 3_000), st.integers(3_000, 800_000)), min_size=1, max_size=6)
plans = st.sampled_from([CutPlan(), CutPlan(), *(CutPlan(strategy="fixed", chunk_seconds=s) for s in (5, 17.3, 28))])

LONG_SPEECH = curve([(1000, SPEECH), (2, 0), (60, 0.5), (3, 0.1), (9, 0.4)])  # a cut, a stop, a pause, doubt
EVERYTHING = np.concatenate([LONG_SPEECH, curve([(2, 1), (70, 0)]), LONG_SPEECH, curve([(64, 0.1), (5, 1)])])


@settings(max_examples=150, deadline=None)
@example(plan=CutPlan(), probabilities=EVERYTHING, missing=5, samples=[480_000])
@given(plan=plans, probabilities=curves, missing=st.integers(0, FRAME_SAMPLES - 1), samples=steps)
def test_each_feed_gives_what_its_frames_one_by_one_would(
    plan: CutPlan, probabilities: Probabilities, missing: int, samples: list[int]
) -> None:
    """The same windows at the same feed, the same audio held after it, and the same totals; ``samples``: per feed."""
    pcm = noise(probabilities, missing)
    plain, splitter = PlainSplitter(plan, pcm, probabilities), Splitter(plan)
    lengths, end = cycle([*samples, 31_000]), 0
    while end < len(pcm):
        start, end = end, min(end + next(lengths), len(pcm))
        pieces = splitter.feed(pcm[start:end], probabilities[start // FRAME_SAMPLES : end // FRAME_SAMPLES])
        assert ([cut for cut, _ in pieces], splitter.held_samples) == plain.feed(end)
        assert all(np.array_equal(audio, pcm[cut.start : cut.end]) for cut, audio in pieces)
    pieces = splitter.finish(probabilities[len(pcm) // FRAME_SAMPLES :])
    assert ([cut for cut, _ in pieces], splitter.held_samples) == plain.finish()
    assert all(np.array_equal(audio, pcm[cut.start : cut.end]) for cut, audio in pieces)
    assert splitter.totals == Totals(samples=len(pcm), speech_samples=plain.speech_samples)
