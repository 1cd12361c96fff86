"""Who lives. A worker bumps its counter; others call it dead when that has not moved for a while on their own clock."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable

import structlog

from core.errors import TransientError
from worker.batching import BatchSize
from worker.context import Context

log = structlog.get_logger()


async def beat(context: Context, sizes: BatchSize) -> None:
    """Show that this worker lives, for ever. Declared dead by mistake (after a pause), it announces itself again."""
    for count in itertools.count(1):
        await asyncio.sleep(context.settings.heartbeat_seconds)
        try:
            if not await context.resources.workers.beat(context.worker_id, count):
                await announce(context, sizes, beats=count)
        except TransientError as error:
            log.warning("heartbeat not written", error=str(error))
        except Exception:  # who stopped here would be called dead, and go on working
            log.exception("heartbeat failed")


async def announce(context: Context, sizes: BatchSize, *, beats: int = 0) -> None:
    """Put this worker on the list, with what it can hold."""
    slots, batch = context.settings.slots, sizes.most
    await context.resources.workers.register(context.worker_id, slots=slots, batch=batch, beats=beats)


class Observer:
    """Remembers since when things have not changed, on this process's own monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[object, tuple[object, float]] = {}

    def unchanged_for(self, thing: object, state: object) -> float:
        """Seconds since ``thing`` was first seen in this state."""
        now = self._clock()
        known, since = self._since.get(thing, (None, now))
        if known != state:
            since = now
        self._since[thing] = (state, since)
        return now - since

    def forget(self, thing: object) -> None:
        """Begin anew with it."""
        self._since.pop(thing, None)

    def forget_all_but(self, things: Iterable[object]) -> None:
        """Drop what is not there any more."""
        kept = set(things)
        self._since = {thing: seen for thing, seen in self._since.items() if thing in kept}
