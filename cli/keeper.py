"""Keep one program running: start it again whenever it ends, ever more patiently if it keeps dying young."""

import asyncio
import os
import time
from asyncio.subprocess import Process
from dataclasses import dataclass

import structlog

from cli.processes import Program, end, kill_family, start

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Seconds between an end and the next start: ``first``, doubling up to ``longest`` for what keeps dying young."""

    first: float = 0.2
    longest: float = 10.0
    healthy_after: float = 10.0  # having run for so long, a program is forgiven its earlier deaths
    retired_after: float = 1.0  # ending in order with 0 after so long is no death at all: a worker retires like that

    def after(self, previous: float | None, ran_seconds: float, code: int = 1) -> float:
        """The delay now, where the one before was ``previous`` and the program has just ended with ``code``."""
        well = ran_seconds >= (self.retired_after if code == 0 else self.healthy_after)
        if previous is None or well:
            return self.first
        return min(self.longest, previous * 2)


class Keeper:
    """One program and the process that it is at the moment."""

    def __init__(self, program: Program, patience: Patience) -> None:
        self._program = program
        self._patience = patience
        self._process: Process | None = None

    async def run(self) -> int:
        """Keep it running until cancelled. Returns 78, EX_CONFIG, where it refuses its settings."""
        delay: float | None = None
        while True:
            began = time.monotonic()
            code = await self._run_once()
            if code == os.EX_CONFIG:
                return code
            delay = self._patience.after(delay, time.monotonic() - began, code)
            event = "child_died" if code else "child_retired"
            log.warning(event, child=self._program.name, exit_code=code, restart_in_seconds=delay)
            await asyncio.sleep(delay)

    async def end(self, *, seconds: float, hurry: asyncio.Event) -> None:
        """End the process, politely for at most ``seconds``. Call it after ``run`` was cancelled."""
        if self._process is not None:
            code = await end(self._process, seconds=seconds, hurry=hurry)
            log.info("child_ended", child=self._program.name, exit_code=code)

    async def _run_once(self) -> int:
        self._process = await start(self._program)
        log.info("child_started", child=self._program.name, pid=self._process.pid)
        code = await self._process.wait()
        kill_family(self._process)
        self._process = None
        return code
