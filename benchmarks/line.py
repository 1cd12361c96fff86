"""Windows in a line, taken by threads as a worker's slots take them."""

import threading
import time
from collections import deque

from core.models import Pcm
from worker.intake import LINGER_SECONDS
from worker.shares import UnderWay, fair_share


class Line:
    """In order, in batches; what is left at the end is shared so that all end together. A batch waits a moment for
    windows that are still to come."""

    def __init__(self, *, batch: int, slots: int, linger_seconds: float = LINGER_SECONDS) -> None:
        self._batch = batch
        self._linger_seconds = linger_seconds
        self._left: deque[tuple[int, Pcm]] = deque()
        self._count = 0
        self._ended = False
        self._news = threading.Condition()
        self._under_way = UnderWay(slots)
        self._began: dict[int, tuple[int, float]] = {}  # by thread: windows, and when

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

    def take(self) -> list[tuple[int, Pcm]]:
        """The next batch of the thread that calls this, which is done with the one before; empty at the end."""
        with self._news:
            self._done()
            self._wait()
            share = fair_share(len(self._left), self._under_way.others, self._batch) if self._ended else self._batch
            taken = [self._left.popleft() for _ in range(min(share, len(self._left)))]
            self._under_way.begin(threading.get_ident(), len(taken))
            self._began[threading.get_ident()] = len(taken), time.monotonic()
            return taken

    def _wait(self) -> None:
        """Until there is something, or nothing is to come; others may take it away while more is waited for."""
        while True:
            self._news.wait_for(lambda: self._left or self._ended)
            self._news.wait_for(lambda: self._ended or len(self._left) >= self._batch, self._linger_seconds)
            if self._left or self._ended:
                return

    def _done(self) -> None:
        thread = threading.get_ident()
        if thread in self._began:
            windows, began = self._began.pop(thread)
            self._under_way.end(thread)
            if windows:
                self._under_way.note(windows, time.monotonic() - began)
