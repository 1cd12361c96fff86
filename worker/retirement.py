"""When a worker has done enough: it ends in order, and whatever runs it starts it anew with fresh memory."""

import asyncio
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from core.config import Settings

log = structlog.get_logger()

WATCH_SECONDS = 1.0
SHARE = 0.9  # of the limit: what is under way when it is reached needs room to end
STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Resident memory of this process; where the system does not tell that, the most that it ever was."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Retirement:
    """``due`` is set once the limits of the settings are reached, but never before the first chunk is done; or at once,
    where somebody says so."""

    def __init__(self, settings: Settings, *, read_memory: Callable[[], int] = resident_bytes) -> None:
        self.due = asyncio.Event()
        self._most_bytes = settings.worker_max_memory_bytes
        self._most_chunks = settings.worker_max_chunks
        self._read_memory = read_memory
        self._chunks = 0

    async def watch(self) -> None:
        """Look at the memory about every second, for ever: preparing takes some, too."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._look()

    def done(self, chunks: int) -> None:
        """So many more have ended."""
        self._chunks += chunks
        self._look()

    def now(self, reason: str) -> None:
        """Whatever the limits are: a process that is started anew may do better."""
        if not self.due.is_set():
            log.info("worker retires", reason=reason, chunks=self._chunks)
            self.due.set()

    def _look(self) -> None:
        reason = self._reason() if self._chunks else None
        if reason is not None:
            self.now(reason)

    def _reason(self) -> str | None:
        if self._most_chunks and self._chunks >= self._most_chunks:
            return f"It has done {self._chunks} chunks; WORKER_MAX_CHUNKS is {self._most_chunks}."
        memory = self._read_memory() if self._most_bytes else 0
        if self._most_bytes and memory >= SHARE * self._most_bytes:
            return f"It has {memory} bytes of memory; WORKER_MAX_MEMORY_BYTES is {self._most_bytes}."
        return None
