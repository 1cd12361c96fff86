"""Child processes: how one is described, started and ended."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from cli.tether import tethered


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program to run. ``environment`` is added to ours; ``command`` begins with an absolute path."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


async def start(program: Program) -> Process:
    """Start it in a session of its own, so that Ctrl-C on the terminal reaches us alone and we end it in order."""
    return await asyncio.create_subprocess_exec(
        *tethered(program.command),
        env={**os.environ, **program.environment},
        stdin=DEVNULL,
        start_new_session=True,
    )


async def end(process: Process, *, seconds: float, hurry: asyncio.Event) -> int:
    """SIGTERM, then SIGKILL after ``seconds`` or once ``hurry`` is set. Returns the exit code, negative by signal."""
    if process.returncode is None:
        _send(process, signal.SIGTERM)
        await first_of(process.wait(), hurry.wait(), seconds=seconds)
    kill_family(process)
    return await process.wait()


def kill_family(process: Process) -> None:
    """SIGKILL for it and for whatever it started and left behind: they share its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says "permission" of a group of zombies
        os.killpg(process.pid, signal.SIGKILL)


async def first_of(*waits: Awaitable[object], seconds: float | None = None) -> None:
    """Return when one of the awaitables is done, or after ``seconds``; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _send(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
