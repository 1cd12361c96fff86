"""Windows by the clock, for ``CHUNK_STRATEGY=fixed``."""

from collections.abc import Iterator

from core.audio.frames import FRAME_SAMPLES
from core.audio.packing import OVERLAP
from core.audio.spans import MIN_PAUSE_FRAMES, MIN_SPEECH_FRAMES, Span, SpanFinder
from core.models import MAX_WINDOW_SAMPLES, SAMPLE_RATE, Cut

_LOOK_AHEAD = (MIN_SPEECH_FRAMES + MIN_PAUSE_FRAMES) * FRAME_SAMPLES  # then a span in the window is known to be one


class ClockPacker:
    """Cores of equal length, each heard with a second of both neighbours. A window without speech yields no cut."""

    def __init__(self, finder: SpanFinder, chunk_seconds: float) -> None:
        self._finder = finder
        self._length = min(round(chunk_seconds * SAMPLE_RATE), MAX_WINDOW_SAMPLES - 2 * OVERLAP)
        self._core_start = 0
        self._index = 0
        self._spans: list[Span] = []  # those that the next window may hear

    @property
    def needed_from(self) -> int:
        """Audio before this position is no longer needed."""
        return self._start

    @property
    def _start(self) -> int:
        return max(0, self._core_start - OVERLAP)

    @property
    def _core_end(self) -> int:
        return self._core_start + self._length

    def step(self, span: Span | None) -> Iterator[Cut]:
        """One more run was seen, and ``span`` ended in it. A run can be longer than a window."""
        self._note(span)
        while self._finder.now >= self._core_end + OVERLAP + _LOOK_AHEAD:
            yield from self._take(self._core_end + OVERLAP, self._core_end)

    def finish(self, span: Span | None, total: int) -> Iterator[Cut]:
        """The audio has ended after ``total`` samples."""
        self._note(span)
        while self._core_start < total:
            core_end = min(self._core_end, total)
            yield from self._take(min(core_end + OVERLAP, total), core_end)

    def _take(self, end: int, core_end: int) -> Iterator[Cut]:
        if self._hears_speech(end):
            yield Cut(index=self._index, start=self._start, end=end, core_start=self._core_start, core_end=core_end)
            self._index += 1
        self._core_start = core_end

    def _note(self, span: Span | None) -> None:
        if span is not None:
            self._spans.append(span)

    def _hears_speech(self, end: int) -> bool:
        self._spans = [span for span in self._spans if span.end > self._start]
        starts = [span.start for span in self._spans]
        if self._finder.open_start is not None:
            starts.append(self._finder.open_start)
        return any(start < end for start in starts)
