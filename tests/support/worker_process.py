"""A worker as a process of its own, as an operator starts it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import Settings
from tests.support.tasks import until

ROOT = Path(__file__).parents[2]
PROGRAM = ("-P", str(ROOT / "cmd/consumer/main.py"))
FAST = {"HEARTBEAT_SECONDS": 0.2, "DEAD_AFTER_SECONDS": 5.0, "SWEEP_SECONDS": 0.2, "RETRY_DELAY_SECONDS": 0.05}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerProcess:
    """What it is, and what it prints."""

    process: asyncio.subprocess.Process
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has said so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines with this event."""
        return [line for line in self.lines() if line["event"] == event]

    async def ready(self) -> None:
        """Return once it takes work."""

        async def ready() -> bool:
            assert self.process.returncode is None, self.log.read_text()
            return bool(self.said("worker ready"))

        await until(ready, bool)

    async def end(self, *numbers: signal.Signals, seconds: float = 30) -> tuple[int, float]:
        """Send these signals, or none; exit code and seconds until the end."""
        began = time.monotonic()
        for number in numbers:
            self.process.send_signal(number)
        async with asyncio.timeout(seconds):
            return await self.process.wait(), time.monotonic() - began


@contextlib.asynccontextmanager
async def worker_process(
    settings: Settings, folder: Path, *program: str, **environment: object
) -> AsyncIterator[WorkerProcess]:
    """Started, with the settings' database and directory; killed at the end of the block if it still runs."""
    given = {
        **FAST,
        "MONGO_URL": settings.mongo_url,
        "MONGO_DATABASE": settings.mongo_database,
        "DATA_DIR": settings.data_dir.absolute(),
        "ENGINE": "fake",
        "LOG_FORMAT": "json",
        "PYTHONPATH": ROOT,
        **{name.upper(): value for name, value in environment.items()},
    }
    log = folder / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(program or PROGRAM),
            env={**os.environ, **{name: str(value) for name, value in given.items()}},
            cwd=folder,
            stdout=out,
            stderr=out,
        )
    try:
        yield WorkerProcess(process=process, log=log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
