"""Speech spans from probabilities: a threshold with hysteresis, so that one weak frame does not end a word."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.audio.frames import FRAME_SAMPLES, Probabilities

START_AT = 0.5  # Silero's defaults
END_BELOW = 0.35
MIN_PAUSE_FRAMES = 3  # 96 ms: shorter ones are the closures of stops inside words
MIN_SPEECH_FRAMES = 4  # 128 ms: shorter ones are clicks; the shortest words last about 150 ms
_SPEECH, _QUIET, _NONE = 1, 2, -1  # verdicts on a frame; 0 lies between the thresholds and changes nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Speech in ``[start, end)``, in samples from the start of the audio."""

    start: int
    end: int


def _runs(probabilities: Probabilities) -> Iterator[tuple[int, int]]:
    """Neighbours that are judged alike: the verdict, and how many frames there are."""
    # In 64 bits: numpy would round END_BELOW to 32, down to a probability that lies below it and would no longer.
    exact = probabilities.astype(np.float64)
    verdicts = _SPEECH * (exact >= START_AT) + _QUIET * (exact < END_BELOW)
    starts = np.flatnonzero(np.diff(verdicts, prepend=_NONE))
    lengths = np.diff(starts, append=len(verdicts))
    return zip(verdicts[starts].tolist(), lengths.tolist(), strict=True)


class SpanFinder:
    """Takes probabilities as they come. Positions in samples; what it holds does not grow."""

    def __init__(self) -> None:
        self._frame = 0
        self._start: int | None = None
        self._quiet_since: int | None = None

    @property
    def now(self) -> int:
        """The end of the last frame seen."""
        return self._frame * FRAME_SAMPLES

    @property
    def open_start(self) -> int | None:
        """Where speech began that has not ended yet."""
        return None if self._start is None else self._start * FRAME_SAMPLES

    @property
    def speech_until(self) -> int:
        """Where the open span would end if nothing more came."""
        return self.now if self._quiet_since is None else self._quiet_since * FRAME_SAMPLES

    def feed(self, probabilities: Probabilities) -> Iterator[Span | None]:
        """More frames, judged as they are asked for: with every item, a run of frames; the span that it ended, if any.

        Speech begins at the start of a run, and at most one span ends in one.
        """
        for verdict, frames in _runs(probabilities):
            self._note(verdict)
            self._frame += frames
            paused = self._quiet_since is not None and self._frame - self._quiet_since >= MIN_PAUSE_FRAMES
            yield self.close() if paused else None

    def close(self) -> Span | None:
        """End the open span, if any; None where there is none or it is too short to be speech."""
        start, end = self._start, self._frame if self._quiet_since is None else self._quiet_since
        self._start = self._quiet_since = None
        if start is None or end - start < MIN_SPEECH_FRAMES:
            return None
        return Span(start=start * FRAME_SAMPLES, end=end * FRAME_SAMPLES)

    def _note(self, verdict: int) -> None:
        if verdict == _SPEECH:
            self._quiet_since = None
            if self._start is None:
                self._start = self._frame
        elif verdict == _QUIET and self._start is not None and self._quiet_since is None:
            self._quiet_since = self._frame
