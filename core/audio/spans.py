"""Speech spans from probabilities: a threshold with hysteresis, so that one weak frame does not end a word."""

from dataclasses import dataclass

from core.audio.frames import FRAME_SAMPLES

START_AT = 0.5  # Silero's defaults
END_BELOW = 0.35
MIN_PAUSE_FRAMES = 3  # 96 ms: shorter ones are the closures of stops inside words
MIN_SPEECH_FRAMES = 4  # 128 ms: shorter ones are clicks; the shortest words last about 150 ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Speech in ``[start, end)``, in samples from the start of the audio."""

    start: int
    end: int


class SpanFinder:
    """Takes one probability after the other. Positions in samples; what it holds does not grow."""

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

    def step(self, probability: float) -> Span | None:
        """One more frame; the span that it ended, if it ended one."""
        self._note(probability)
        self._frame += 1
        paused = self._quiet_since is not None and self._frame - self._quiet_since >= MIN_PAUSE_FRAMES
        return self.close() if paused else None

    def close(self) -> Span | None:
        """End the open span, if any; None where there is none or it is too short to be speech."""
        start, end = self._start, self._frame if self._quiet_since is None else self._quiet_since
        self._start = self._quiet_since = None
        if start is None or end - start < MIN_SPEECH_FRAMES:
            return None
        return Span(start=start * FRAME_SAMPLES, end=end * FRAME_SAMPLES)

    def _note(self, probability: float) -> None:
        if probability >= START_AT:
            self._quiet_since = None
            if self._start is None:
                self._start = self._frame
        elif probability < END_BELOW and self._start is not None and self._quiet_since is None:
            self._quiet_since = self._frame
