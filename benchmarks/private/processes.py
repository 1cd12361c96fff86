"""A program that is started again whenever it dies, as compose would do it, and that can be broken on purpose."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.processes import Program, kill_family
from cli.tether import tethered
from core.config import Settings

RESTART_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """One death: when, on the monotonic clock, and how; ``code`` is negative by signal."""

    pid: int
    code: int
    at: float


@dataclass(kw_only=True, slots=True)
class Child:
    """A kept process. Its output goes to ``log``; it dies with us, and with it whatever it has started."""

    program: Program
    log: Path
    cwd: Path
    exits: list[Exit] = field(default_factory=list)
    _process: Process | None = None
    _keeping: "asyncio.Task[None] | None" = None
    _started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.program.name

    @property
    def pid(self) -> int:
        """Of the process that it is now; 0 between a death and the next start."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it and keep it running."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        await self._started.wait()

    async def restarted(self, old_pid: int, seconds: float = 30.0) -> int:
        """The new process id once ``old_pid`` has been replaced."""
        async with asyncio.timeout(seconds):
            while self.pid in {0, old_pid}:  # noqa: ASYNC110 - it dies by itself, nobody would set an event
                await asyncio.sleep(0.01)
        return self.pid

    def send(self, number: signal.Signals) -> int:
        """Send it a signal; the process id that got it (0: there was none)."""
        pid = self.pid
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    def kill(self) -> int:
        """As the kernel's out-of-memory killer would."""
        return self.send(signal.SIGKILL)

    def pause(self) -> int:
        """It stands still, its connections stay open."""
        return self.send(signal.SIGSTOP)

    def resume(self) -> int:
        """It goes on as if no time had passed."""
        return self.send(signal.SIGCONT)

    async def terminate(self, seconds: float = 60.0) -> tuple[int, float]:
        """SIGTERM, and no new start: its exit code and how long it took. Killed where that is too long."""
        began, process = time.monotonic(), self._process
        await self._forget()
        if process is None:
            return 0, 0.0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
        kill_family(process)
        code = await process.wait()
        took = time.monotonic() - began
        self._note(process, code)
        return code, took

    async def end(self) -> None:
        """SIGKILL, and no new start."""
        process = self._process
        await self._forget()
        if process is not None:
            kill_family(process)
            self._note(process, await process.wait())

    def printed(self) -> str:
        """All that it has printed, over all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def _keep(self) -> None:
        while True:
            process = await self._run()
            code = await process.wait()
            kill_family(process)
            self._note(process, code)
            await asyncio.sleep(RESTART_SECONDS)

    async def _run(self) -> Process:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(self.program.command),
                env=dict(self.program.environment),
                cwd=self.cwd,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.set()
        return self._process

    async def _forget(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._keeping = None
        self._started.clear()

    def _note(self, process: Process, code: int) -> None:
        self.exits.append(Exit(pid=process.pid, code=code, at=time.monotonic()))
        self._process = None


def environment(settings: Mapping[str, object], **extra: str) -> dict[str, str]:
    """Ours without any setting of the program, then these (names in small letters; lists and flags as JSON)."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    given = {name.upper(): _text(value) for name, value in settings.items() if value is not None}
    return {**kept, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **given, **extra}


@contextlib.contextmanager
def paused(child: Child) -> Iterator[int]:
    """It stands still for the length of the block."""
    pid = child.pause()
    try:
        yield pid
    finally:
        child.resume()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
