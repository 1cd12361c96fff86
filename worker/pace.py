"""How fast this process transcribes, as measured, and how long a batch may therefore take before it counts as hung."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

RECENT = 32  # batches of one model that the estimate rests on; its slowest counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Deadlines in seconds, and in times the audio's length (before) or the expected work (once it was measured)."""

    first_least: float = 300.0
    first_factor: float = 40.0  # times the audio's length: no machine that anybody transcribes on is slower
    least: float = 120.0
    factor: float = 10.0  # a batch that is decoded again and again for its quality takes some times the usual work
    measured_after: int = 4  # batches


@dataclass(kw_only=True, slots=True)
class Pace:
    """Seconds of work per second of audio, by model."""

    patience: Patience = field(default_factory=Patience)
    _rates: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=RECENT)))

    def note(self, model: str, *, audio_seconds: float, work_seconds: float) -> None:
        """A batch took so long."""
        if audio_seconds > 0:
            self._rates[model].append(work_seconds / audio_seconds)

    def deadline(self, model: str, audio_seconds: float) -> float:
        """Longest that a batch of so much audio may take, in seconds."""
        patience, rates = self.patience, self._rates[model]
        if len(rates) < patience.measured_after:
            return max(patience.first_least, patience.first_factor * audio_seconds)
        return max(patience.least, patience.factor * max(rates) * audio_seconds)
