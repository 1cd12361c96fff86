"""How much of a file's end one slot takes, so that all slots end together and none of them with a crumb.

Windows that are transcribed together take less time than one after the other: what is left is not dealt out one by one.
Nor can it be shared to the second by numbers alone; but windows differ in length, and some of them fit better.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

LARGEST = 1.25  # batches: rather one that is larger than the usual than a crumb after it
MOST = 10  # windows: memory is by the largest batch
NO_GAIN = 1e-9  # an exchange that helps less than this helps nothing, and could be made for ever
_WEIGHT = 0.5  # of the newest batch in the estimate of a window's time


def largest_batch(batch: int) -> int:
    """What a slot may take at most, where ``batch`` is the usual size."""
    return max(batch, min(int(LARGEST * batch), MOST))


def in_hand(slots: int, batch: int) -> int:
    """How many windows a worker has at most: a batch in each slot, at a file's end a larger one, and one that waits."""
    return slots * largest_batch(batch) + batch


@dataclass(frozen=True, slots=True)
class Share:
    """``windows``: how many a slot takes. ``exact``: how many of mean length would have all slots end together; None
    where it takes a full batch, since more is to come."""

    windows: int
    exact: float | None = None


def fair_share(left: float, busy: Sequence[float], batch: int) -> Share:
    """How many of ``left`` windows a free slot takes, while each of the others works on so many windows yet.

    ``busy``: of the other slots, 0 for one that is free as well. A full batch while there is more than that for all.
    """
    level, filled = left, 0.0
    for count, windows in enumerate(sorted(busy), start=2):
        if windows >= level:
            break
        filled += windows
        level = (left + filled) / count  # where all of these end if they share what is left
    return Share(batch) if level > largest_batch(batch) else Share(max(1, int(level + 0.5)), level)


def fitting(lengths: Sequence[float], share: Share) -> list[int]:
    """Which of the windows that wait a slot takes, by their places in line: those that come nearest to its share.

    ``lengths``: as multiples of the mean of all that are left. From the first ones on, one is exchanged for another as
    long as that helps; so it is the first ones where all are equally long.
    """
    count = min(share.windows, len(lengths))
    taken, others = [*range(count)], sorted(range(count, len(lengths)), key=lambda place: lengths[place])
    if share.exact is None or not taken:
        return taken
    excess = sum(lengths[:count]) - share.exact
    while (pair := _exchange(excess, lengths, taken, others)) is not None:
        out, in_ = pair
        excess += lengths[in_] - lengths[out]
        taken[taken.index(out)] = in_
        others.remove(in_)
        insort(others, out, key=lambda place: lengths[place])
    return sorted(taken)


def _exchange(
    excess: float, lengths: Sequence[float], taken: Sequence[int], others: Sequence[int]
) -> tuple[int, int] | None:
    """The best one: of those taken one that goes, and another for it. None where none helps. ``others``: by length."""
    best, off = None, abs(excess) - NO_GAIN
    for out in reversed(taken):  # of those that are as good, the last one goes
        at = bisect_left(others, lengths[out] - excess, key=lambda place: lengths[place])
        for in_ in others[max(0, at - 1) : at + 1]:
            if abs(excess + lengths[in_] - lengths[out]) < off:
                best, off = (out, in_), abs(excess + lengths[in_] - lengths[out])
    return best


class UnderWay:
    """What the slots are busy with, and how far they should be by the time that a window takes."""

    def __init__(self, slots: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._clock = clock
        self._batches: dict[object, tuple[int, float, float]] = {}  # windows, begin, and seconds waited for windows
        self._seconds_per_window: float | None = None
        self._idle_seconds, self._counted_at = 0.0, clock()

    def begin(self, name: object, windows: int) -> None:
        """A slot has taken a batch."""
        self._count_idle()
        self._batches[name] = windows, self._clock(), 0.0

    def end(self, name: object) -> None:
        """And is free again."""
        self._count_idle()
        del self._batches[name]

    def note(self, windows: int, seconds: float) -> None:
        """So many were transcribed together, by work of so long."""
        each, before = seconds / windows, self._seconds_per_window
        self._seconds_per_window = each if before is None else before + _WEIGHT * (each - before)

    @property
    def idle_seconds(self) -> float:
        """For how long slots were free, all of them together, since the start."""
        return self._idle_seconds + (self._slots - len(self._batches)) * (self._clock() - self._counted_at)

    def grow(self, name: object, windows: int) -> None:
        """So many more are in it now."""
        before, began, waited = self._batches[name]
        self._batches[name] = before + windows, began, waited

    def waited(self, name: object, seconds: float) -> None:
        """So long has it waited for windows, all in all: it is no further for that."""
        windows, began, _ = self._batches[name]
        self._batches[name] = windows, began, seconds

    def lacks(self, name: object, left: float, batch: int) -> Share:
        """How many of ``left`` windows a batch is still to take, so that all end together: see :func:`fair_share`.

        No windows where it has ended meanwhile.
        """
        if name not in self._batches:
            return Share(0)
        own = self._left(*self._batches[name])
        whole = fair_share(left + own, self.others(name), batch)
        windows = max(0, min(ceil(left), whole.windows - round(own)))
        return Share(windows, None if whole.exact is None else whole.exact - own)

    def others(self, name: object = None) -> list[float]:
        """Windows that each slot has yet to do, but for the one with this batch or a free one; 0 for a free one."""
        left = [self._left(*batch) for other, batch in self._batches.items() if other != name]
        return [*left, *[0.0] * self._slots][: self._slots - 1]

    def _count_idle(self) -> None:
        self._idle_seconds, self._counted_at = self.idle_seconds, self._clock()

    def _left(self, windows: int, began: float, waited: float) -> float:
        pace = self._seconds_per_window
        return float(windows) if not pace else max(0.0, windows - (self._clock() - began - waited) / pace)
