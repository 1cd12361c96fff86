"""Windows in a line, taken by threads in batches as a worker's slots share them.

A slot looks for more of them while it hears those that it has; here a thread does so when it has heard them.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

from core.models import Pcm, Window
from worker.growing import PATIENCE_SECONDS
from worker.shares import Share, UnderWay, fair_share, fitting, largest_batch


class Line:
    """In order, in batches that grow while they are heard; what is left at the end is shared, so that all end
    together."""

    def __init__(self, *, batch: int, slots: int) -> None:
        self._batch = batch
        self._left: deque[tuple[int, Pcm]] = deque()
        self._count = 0
        self._ended = False
        self._news = threading.Condition()
        self._under_way = UnderWay(slots)

    def put(self, pcm: Pcm) -> None:
        """The next window."""
        with self._news:
            self._left.append((self._count, pcm))
            self._count += 1
            self._news.notify_all()

    def end(self) -> None:
        """There are no more."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def take(self) -> "Taken | None":
        """The next batch for the thread that calls this; None at the end."""
        with self._news:
            self._news.wait_for(lambda: self._left or self._ended)
            if not self._left:
                return None
            share = Share(self._batch)
            if self._ended:
                share = fair_share(len(self._left), self._under_way.others(), self._batch)
            windows = self._pick(share)
            most = share.windows if len(windows) == share.windows else largest_batch(self._batch)
            taken = Taken(self, windows, most=most)
            self._under_way.begin(taken, len(taken.windows))
            return taken

    def more(self, taken: "Taken") -> list[tuple[int, Pcm]]:
        """For a batch that has been heard so far: waits for the file's first windows, a moment."""
        with self._news:
            self._news.wait_for(lambda: self._left or self._ended, PATIENCE_SECONDS - taken.age)
            lacks = Share(self._batch - len(taken.windows))
            if self._ended:
                lacks = self._under_way.lacks(taken, len(self._left), self._batch)
            room = min(lacks.windows, taken.most - len(taken.windows), len(self._left))
            more = self._pick(replace(lacks, windows=room))
            self._under_way.grow(taken, len(more))
            return more

    def _pick(self, share: Share) -> list[tuple[int, Pcm]]:
        lengths = [len(pcm) for _, pcm in self._left]
        usual = fmean(lengths) if lengths else 1.0
        places = fitting([length / usual for length in lengths], share)
        picked = [self._left[place] for place in places]
        for place in reversed(places):
            del self._left[place]
        return picked

    def done(self, taken: "Taken") -> None:
        """A thread has ended with a batch."""
        with self._news:
            self._under_way.end(taken)
            self._under_way.note(len(taken.windows), taken.age)


class Taken(Iterator[Window]):
    """One batch. ``windows``: those that it has so far, with their places in the line."""

    def __init__(self, line: Line, windows: list[tuple[int, Pcm]], *, most: int) -> None:
        self._line = line
        self.windows, self.most = windows, most
        self._given = 0
        self._began = time.monotonic()

    def __next__(self) -> Window:
        if self._given == len(self.windows) < self.most:
            self.windows += self._line.more(self)
        if self._given == len(self.windows):
            self.most = self._given
            raise StopIteration
        self._given += 1
        return Window(pcm=self.windows[self._given - 1][1])

    def __length_hint__(self) -> int:
        return self.most - self._given

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began
