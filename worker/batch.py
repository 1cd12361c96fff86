"""What one slot works on. It may grow while the engine hears what it has so far."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.models import SAMPLE_RATE, Chunk, Options, Window
from worker.intake import Arrival

PATIENCE_SECONDS = 0.3  # since its begin, for which an engine with nothing left to hear waits for the next window

Work = tuple[Arrival, Chunk, Window]


class Batch(Iterator[Window]):
    """Its windows are asked for one by one, on the engine's thread; more are added on the loop's, up to ``most``.

    It is closed when it is full, when the engine asks for a window that is not there and has waited long enough for it,
    or by :meth:`close`. ``unwanted`` is looked at from the engine's thread too.
    """

    def __init__(self, work: Sequence[Work], *, options: Options, most: int = 0) -> None:
        self.options = options
        self.work = list(work)
        self.unwanted = False
        self._most = max(most, len(work))
        self._given = 0
        self._closed = self._expecting = False
        self._change = threading.Condition()
        self._began = time.monotonic()

    def __next__(self) -> Window:
        with self._change:
            self._change.wait_for(lambda: self._given < len(self.work) or not self.missing, PATIENCE_SECONDS - self.age)
            self._change.wait_for(lambda: not self._expecting)
            if self._given == len(self.work):
                self._closed = True
                raise StopIteration
            self._given += 1
            return self.work[self._given - 1][2]

    def __length_hint__(self) -> int:
        return len(self.work) + self.missing - self._given

    @property
    def missing(self) -> int:
        """How many more may be added; 0 once it is closed."""
        return 0 if self._closed else self._most - len(self.work)

    @property
    def hungry(self) -> bool:
        """Whether the engine has begun with the last window: it will soon ask for another one."""
        return self._given == len(self.work)

    @property
    def awaits_more(self) -> bool:
        """Whether something is being claimed for it."""
        return self._expecting

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def chunks(self) -> list[Chunk]:
        """The claims."""
        return [chunk for _, chunk, _ in self.work]

    @property
    def seconds(self) -> float:
        """How much audio it is."""
        return sum(len(window.pcm) for _, _, window in self.work) / SAMPLE_RATE

    @contextmanager
    def expecting(self) -> Iterator[int]:
        """Whoever adds to it does so in here: the engine waits for what comes of it. Gives how many may be added."""
        with self._change:
            room = self.missing
            self._expecting = room > 0
        try:
            yield room
        finally:
            with self._change:
                self._expecting = False
                self._change.notify_all()

    def add(self, work: Sequence[Work]) -> None:
        """These as well."""
        with self._change:
            self.work += work

    def close(self) -> None:
        """No more will be added."""
        with self._change:
            self._closed = True
            self._change.notify_all()
