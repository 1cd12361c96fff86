"""Background work of a worker that nobody awaits: kept track of, logged when it fails, ended in order."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from core.cancelling import cancel_all
from core.errors import TransientError

log = structlog.get_logger()

TELLINGS = 4


class Jobs:
    """A set of running coroutines. One that fails is logged and costs nobody else anything."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background."""
        task = asyncio.create_task(_logged(work), name=_name(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for all of them, at most so long; then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self.cancel()

    async def cancel(self) -> None:
        """Cancel all of them and wait until they have ended, a second at most."""
        for task in await cancel_all(self._tasks, tellings=TELLINGS):
            log.warning("background work does not end", work=task.get_name())


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except TransientError as error:
        log.warning("left to the sweeper", work=_name(work), error=str(error))
    except Exception:
        log.exception("background work failed", work=_name(work))


def _name(work: Coroutine[Any, Any, None]) -> str:
    return getattr(work, "__qualname__", repr(work))
