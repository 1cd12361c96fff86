"""Windows by pauses: contiguous pieces that start and end with speech, at most 30 s each (ADR 0004)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.audio.spans import Span, SpanFinder
from core.models import MAX_WINDOW_SAMPLES, SAMPLE_RATE, Cut

MAX_PAD = 400 * SAMPLE_RATE // 1000  # kept around speech: soft onsets and endings lie outside the detector's spans
MAX_PAUSE = 2 * SAMPLE_RATE  # longer ones end a window; Whisper's text is better with shorter ones left in
OVERLAP = SAMPLE_RATE  # each side of a cut that goes through speech
_MIN_CUT_PAUSE = 200 * SAMPLE_RATE // 1000  # a cut in a shorter one could touch a word, so it overlaps
_EARLIEST_CUT = 3 * SAMPLE_RATE
_SEARCH_FROM = 20 * SAMPLE_RATE  # where a cut through speech may lie, from the window's start
_SEARCH_TO = MAX_WINDOW_SAMPLES - OVERLAP - MAX_PAD  # then the overlap, too, is heard already when a window is full
_LATE_BONUS = 0.03  # seconds of pause that a second of window length is worth

QuietPoint = Callable[[int, int], int]  # the quietest position in [from, to)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pause:
    start: int
    end: int

    @property
    def pad(self) -> int:
        return min(MAX_PAD, (self.end - self.start) // 2)

    def merit(self, window_start: int) -> float:
        """Long pauses are ends of sentences; late ones make long windows: more context, less cost."""
        length = min(self.end - self.start, MAX_PAUSE) / SAMPLE_RATE
        return length + _LATE_BONUS * (self.start - window_start) / SAMPLE_RATE


class PausePacker:
    """Collects spans into windows; all positions in samples.

    Call :meth:`step` after every run of the finder's. How many frames it has makes no difference: between the changes
    that the finder sees, time makes windows final, but where they are cut follows from the spans alone.
    """

    def __init__(self, finder: SpanFinder, quiet_point: QuietPoint) -> None:
        self._finder = finder
        self._quiet_point = quiet_point
        self._spans: list[Span] = []  # of the window being filled
        self._after: int = 0  # end of the last speech before that window, 0 at the start of the audio
        self._forced: int | None = None  # where its core starts when the window before it was cut through speech
        self._index = 0

    @property
    def needed_from(self) -> int:
        """Audio before this position is no longer needed."""
        start = self._window_start()
        return max(0, self._finder.now - MAX_PAD) if start is None else start

    def step(self, span: Span | None) -> Iterator[Cut]:
        """One more run was seen, and ``span`` ended in it."""
        if span is not None:
            self._spans.append(span)
        if self._finder.open_start is not None:
            while self._is_full():
                yield self._divide()
        elif not self._spans:
            self._forced = None  # what went on after the cut was a click, not speech
        elif self._finder.now - self._spans[-1].end > MAX_PAUSE:
            yield self._close(self._spans[-1].end + MAX_PAD)

    def finish(self, span: Span | None, total: int) -> Iterator[Cut]:
        """The audio has ended after ``total`` samples."""
        if span is not None:
            self._spans.append(Span(start=span.start, end=min(span.end, total)))
        if self._spans:
            yield self._close(min(self._spans[-1].end + MAX_PAD, total))

    def _first_speech(self) -> int | None:
        return self._spans[0].start if self._spans else self._finder.open_start

    def _window_start(self) -> int | None:
        if self._forced is not None:
            return self._forced - OVERLAP
        first = self._first_speech()
        if first is None:
            return None
        room = first if self._after == 0 else (first - self._after) // 2
        return first - min(MAX_PAD, room)

    def _is_full(self) -> bool:
        start = self._window_start()
        return start is not None and self._finder.speech_until > start + MAX_WINDOW_SAMPLES - MAX_PAD

    def _divide(self) -> Cut:
        """Take a window off the front, at its best pause or else through speech."""
        start = self._window_start()
        assert start is not None
        pauses = [pause for pause in self._pauses() if self._may_cut(pause, start)]
        if not pauses:
            return self._cut_through(start)
        best = max(pauses, key=lambda pause: (pause.merit(start), pause.start))
        cut = self._cut(start, best.start + best.pad)
        self._go_on_after(best.start)
        return cut

    def _pauses(self) -> Iterator[_Pause]:
        starts = [span.start for span in self._spans[1:]]
        if self._finder.open_start is not None:
            starts.append(self._finder.open_start)
        for span, start in zip(self._spans, starts, strict=False):
            yield _Pause(start=span.end, end=start)

    @staticmethod
    def _may_cut(pause: _Pause, window_start: int) -> bool:
        return pause.end - pause.start >= _MIN_CUT_PAUSE and pause.start - window_start >= _EARLIEST_CUT

    def _cut_through(self, start: int) -> Cut:
        point = self._quiet_point(start + _SEARCH_FROM, start + _SEARCH_TO)
        cut = self._cut(start, point + OVERLAP, core_end=point)
        self._go_on_after(point)
        self._forced = point
        return cut

    def _close(self, end: int) -> Cut:
        start = self._window_start()
        assert start is not None
        cut = self._cut(start, end)
        self._go_on_after(self._spans[-1].end)
        return cut

    def _cut(self, start: int, end: int, core_end: int | None = None) -> Cut:
        cut = Cut(
            index=self._index,
            start=start,
            end=end,
            core_start=start if self._forced is None else self._forced,
            core_end=end if core_end is None else core_end,
        )
        self._index += 1
        return cut

    def _go_on_after(self, position: int) -> None:
        self._spans = [
            Span(start=max(span.start, position), end=span.end) for span in self._spans if span.end > position
        ]
        self._after = position
        self._forced = None
