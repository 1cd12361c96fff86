"""Two that take turns at the machine, a moment each: whatever its speed is just now, both have it.

A machine that it shares with strangers is a tenth faster or slower from one minute to the next. One after the other,
two things that take a minute each could not be told apart any closer.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import psutil

from core.cancelling import cancel_all

SLICE_SECONDS = 1.5  # shorter than any deadline in the product: what is stopped must not take that for an outage


class Side:
    """Processes that run only in their turns, with all that they have started. ``roots``: the first is stopped first,
    and goes on last."""

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._turns: list[tuple[float, float]] = []
        self._since: float | None = time.time()
        self.over = asyncio.Event()  # set where it has nothing more to do, and need not run

    def go(self) -> None:
        """Begin a turn."""
        if self._since is None:
            for process in reversed([*self._processes()]):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
            self._since = time.time()

    def halt(self) -> None:
        """End it."""
        if self._since is not None:
            self._turns.append((self._since, time.time()))
            self._since = None
            for process in self._processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()

    def seconds(self, start: float, end: float) -> float:
        """How much of the time between two moments of the clock it ran."""
        turns = [*self._turns, *([(self._since, time.time())] if self._since is not None else [])]
        return sum(max(0.0, min(end, ended) - max(start, began)) for began, ended in turns)

    def _processes(self) -> Iterator[psutil.Process]:
        """Each before those that it has started: one that is stopped starts no more."""
        for root in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(root)
                yield process
                yield from process.children(recursive=True)


@contextlib.asynccontextmanager
async def alternating(*sides: Side, seconds: float = SLICE_SECONDS) -> AsyncIterator[None]:
    """While the block runs; after it all of them go on."""
    for side in sides:
        side.halt()
    taking = asyncio.create_task(_take_turns(sides, seconds))
    try:
        yield
    finally:
        await cancel_all([taking])
        for side in sides:
            side.go()


async def _take_turns(sides: Sequence[Side], seconds: float) -> None:
    """Until all are over. Who is left alone is not interrupted."""
    while left := [side for side in sides if not side.over.is_set()]:
        for side in left:
            side.go()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await side.over.wait()
            if side.over.is_set() or len(left) > 1:
                side.halt()
