"""What the parts of one worker process share."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.audio.decode import DecodeLimits, Decoder
from core.audio.decoders import Decoders
from core.config import Settings
from core.engines.registry import EngineRegistry
from core.flow.credits import Credits
from core.flow.resources import Resources
from worker.pace import Pace
from worker.runfiles import RunFile


class DecoderSource(Protocol):
    """See :class:`core.audio.decoders.Decoders`."""

    def open(self, path: Path, limits: DecodeLimits) -> AbstractAsyncContextManager[Decoder]: ...
    async def prepare(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """One worker: its settings, what it works on, and who it is."""

    settings: Settings
    resources: Resources
    credit: Credits
    engines: EngineRegistry
    worker_id: str
    run_file: RunFile
    clock: Callable[[], float] = time.monotonic  # seconds; for how long others have been silent
    decoders: DecoderSource = field(default_factory=Decoders)
    pace: Pace = field(default_factory=Pace)
    suspects: asyncio.Lock = field(default_factory=asyncio.Lock)  # held by whatever may take the process down

    @property
    def run_folder(self) -> Path:
        """Where the run files of this machine lie."""
        return run_folder(self.settings)


def run_folder(settings: Settings) -> Path:
    """Where the run files of this machine lie."""
    return settings.scratch_dir / "workers"
