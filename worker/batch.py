"""What one slot works on. It may grow while the engine hears what it has so far."""

import threading
import time
from collections.abc import Iterator, Sequence

from core.models import SAMPLE_RATE, Chunk, Options, Window
from worker.intake import Arrival

Work = tuple[Arrival, Chunk, Window]


class Batch(Iterator[Window]):
    """Its windows are asked for one by one, on the engine's thread; more are added on the loop's, up to ``most``.

    The engine waits for the next one until the batch is full or closed, or nobody wants it any more.
    """

    def __init__(self, work: Sequence[Work], *, options: Options, most: int = 0) -> None:
        self.options = options
        self.work = list(work)
        self._most = max(most, len(work))
        self._given = 0
        self._closed = self._unwanted = False
        self._change = threading.Condition()
        self._waited, self._waits_since = 0.0, 0.0  # the second: 0 where nobody waits

    def __next__(self) -> Window:
        with self._change:
            self.ask()
            self._change.wait_for(lambda: self._given < len(self.work) or not self.missing or self._unwanted)
            self._waited, self._waits_since = self.waited, 0.0
            if self._given == len(self.work):
                self._closed = True
                raise StopIteration
            self._given += 1
            return self.work[self._given - 1][2]

    def __length_hint__(self) -> int:
        return len(self.work) + self.missing - self._given

    def ask(self) -> None:
        """The engine would go on with the next window, and waits from now on if there is none."""
        self._waits_since = self._waits_since or time.monotonic()

    @property
    def missing(self) -> int:
        """How many more may be added; 0 once it is closed."""
        return 0 if self._closed else self._most - len(self.work)

    @property
    def hungry(self) -> bool:
        """Whether the engine has begun with the last window: it will soon ask for another one."""
        return self._given == len(self.work)

    @property
    def starving(self) -> bool:
        """Whether it has asked, and waits."""
        return self.hungry and self._waits_since > 0

    @property
    def waited(self) -> float:
        """Seconds that the engine has waited for windows, which is no work."""
        since = self._waits_since
        return self._waited + (time.monotonic() - since if since else 0.0)

    @property
    def unwanted(self) -> bool:
        """Whether nobody wants its results any more. Looked at from the engine's thread too."""
        return self._unwanted

    @property
    def chunks(self) -> list[Chunk]:
        """The claims."""
        return [chunk for _, chunk, _ in self.work]

    @property
    def seconds(self) -> float:
        """How much audio it is."""
        return sum(len(window.pcm) for _, _, window in self.work) / SAMPLE_RATE

    def add(self, work: Sequence[Work]) -> None:
        """These as well, also where it was closed while they were claimed: they are to end as the others do."""
        with self._change:
            self.work += work
            self._change.notify_all()

    def close(self) -> None:
        """No more will be claimed for it."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def abandon(self) -> None:
        """Nobody wants it any more: the engine ends it at its next step, and waits for nothing."""
        with self._change:
            self._unwanted = True
            self._change.notify_all()
