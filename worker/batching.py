"""How many windows a slot usually transcribes together: as told, as remembered, or found by trying.

The text is the same in a batch of any size, so sizes are tried with the work itself. They take turns, so that a machine
that slows down, or speech that becomes faster, favours none of them.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median

from core.config import USUAL_BATCH
from core.models import Options

TRIED = (USUAL_BATCH, 4, 6)  # the first is to begin with, and stays unless another is better by the margin
TIMES = 4  # that each is measured; the median counts
MARGIN = 0.03  # less may be chance
ENOUGH = 120  # batches without an outcome: with what comes here sizes cannot be compared, and the first one stays
IDLE = 0.1  # of the time that the other slots had: they take their next batch meanwhile, which is no rest
LONG_WINDOW_SECONDS = 15.0  # on average; shorter windows take more for each second, and fill small batches first


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One batch that was transcribed. ``idle_seconds``: of all other slots together, meanwhile."""

    windows: int
    audio_seconds: float
    work_seconds: float
    idle_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The size that the trial ended with, and for each size the seconds of work for a second of audio."""

    size: int
    seconds: Mapping[int, float]


class BatchSize:
    """The usual size of the next batch. ``settled``: nothing is tried; None: the sizes are, until one has won.

    Only batches with the options ``of`` are compared, in whatever language: another model or a wider search takes
    another time.
    """

    def __init__(self, *, of: Options, slots: int, settled: int | None = None) -> None:
        self._of = of
        self._slots = slots
        self._settled = settled
        self._turns = itertools.cycle(TRIED)
        self._tried = 0
        self._cold = slots  # the first batch of each slot also pays for memory and caches
        self._rates: dict[int, list[float]] = {size: [] for size in TRIED}

    @property
    def most(self) -> int:
        """The most that a batch may usually be, by what is known now."""
        return max(TRIED) if self._settled is None else self._settled

    def next(self, options: Options) -> int:
        """For the batch that is taken now, whose first window has these options."""
        if self._settled is None and self._tried >= ENOUGH:
            self._settled = TRIED[0]
        if self._settled is not None:
            return self._settled
        if not self._comparable(options):
            return TRIED[0]
        self._tried += 1
        return next(self._turns)

    def note(self, options: Options, batch: Measured) -> Finding | None:
        """So long did a batch take. What was found, by the one that ends the trial."""
        if self._settled is not None or not self._tells(options, batch):
            return None
        if self._cold:
            self._cold -= 1
            return None
        rates = self._rates[batch.windows]
        if len(rates) == self._fewest:  # never ahead: small batches come and go while a large one runs
            rates.append(batch.work_seconds / batch.audio_seconds)
        return self._settle() if self._fewest >= TIMES else None

    @property
    def _fewest(self) -> int:
        return min(map(len, self._rates.values()))

    def _tells(self, options: Options, batch: Measured) -> bool:
        """Full, of long windows, and with all other slots at work: otherwise it is no example of what sizes do."""
        return (
            self._comparable(options)
            and batch.windows in self._rates
            and batch.audio_seconds >= LONG_WINDOW_SECONDS * batch.windows
            and batch.idle_seconds <= IDLE * batch.work_seconds * (self._slots - 1)
        )

    def _comparable(self, options: Options) -> bool:
        return replace(options, language=None) == self._of

    def _settle(self) -> Finding:
        seconds = {size: median(rates) for size, rates in self._rates.items()}
        best = min(seconds, key=lambda size: seconds[size])
        start = TRIED[0]
        self._settled = best if seconds[best] <= (1 - MARGIN) * seconds[start] else start
        return Finding(size=self._settled, seconds=seconds)
