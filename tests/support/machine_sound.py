"""What the machine transcribes: recordings that nobody need decode, and an engine that answers when it is told how."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from core.audio.split import Splitter
from core.audio.vad import StreamingVad
from core.errors import EngineCancelledError, EngineError
from core.models import SAMPLE_RATE, Cut, CutPlan, Language, Options, Pcm, Segment, Window, WindowResult
from core.ports import never
from tests.support.audio import speech
from tests.support.machine_loop import NotYetError
from tests.support.machine_wire import Wire
from worker.batch import Batch

BLOCK = 6 * SAMPLE_RATE
SECONDS = {"short": 6, "long": 36}
NAMES = ("short", "long", "silence")


@cache
def recording(name: str) -> Pcm:
    """Its samples."""
    return np.zeros(SAMPLE_RATE, dtype=np.int16) if name == "silence" else speech(SECONDS[name])


@cache
def plan_of(name: str) -> dict[int, Cut]:
    """The chunks that it must be cut into."""
    return {cut.index: cut for cut, _ in _pieces(name)}


@cache
def texts_of(name: str) -> dict[int, str]:
    """What must be heard in each chunk."""
    return {cut.index: heard(pcm) for cut, pcm in _pieces(name)}


@cache
def _pieces(name: str) -> list[tuple[Cut, Pcm]]:
    vad, splitter, pcm = StreamingVad(), Splitter(CutPlan()), recording(name)
    return splitter.feed(pcm, vad.feed(pcm)) + splitter.finish(vad.finish())


async def _blocks(name: str, wire: Wire) -> AsyncIterator[Pcm]:
    pcm = recording(name)
    for start in range(0, len(pcm), BLOCK):
        await asyncio.sleep(0)
        await wire.away.decoding.wait()
        await wire.alive()
        yield pcm[start : start + BLOCK]


class ReadyDecoder:
    """What :class:`core.audio.decode.Decoder` is to those who prepare, for a file that names a recording."""

    report = None

    def __init__(self, name: str, wire: Wire) -> None:
        self._name, self._wire = name, wire
        self.info = SimpleNamespace(declared_seconds=len(recording(name)) / SAMPLE_RATE)

    def blocks(self, samples: int) -> AsyncIterator[Pcm]:
        """In pieces of their own length."""
        del samples
        return _blocks(self._name, self._wire)


class ReadyDecoders:
    """Implements :class:`worker.context.DecoderSource` for the process at this wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @asynccontextmanager
    async def open(self, path: Path, limits: object) -> AsyncIterator[Any]:
        """Nothing has to be started."""
        del limits
        yield ReadyDecoder(path.name, self._wire)

    async def prepare(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


class SteppedEngine:
    """Implements :class:`core.ports.Engine`. ``failed`` hears of each window on which it failed alone."""

    def __init__(self, owner: str, failed: Callable[[str, Pcm], None]) -> None:
        self._owner, self._failed = owner, failed
        self.fails: bool | None = None  # None: nobody knows yet

    def load(self) -> None:
        """Nothing to do."""

    def detect_language(self, windows: Sequence[Window]) -> Language:
        """Always English."""
        del windows
        return Language(code="en", probability=0.9)

    def transcribe(
        self, windows: Iterable[Window], options: Options, cancelled: Callable[[], bool] = never
    ) -> list[WindowResult]:
        """As it was told."""
        assert options.language == "en"
        if self.fails is None:
            raise NotYetError
        if cancelled():
            raise EngineCancelledError("Nobody wants it.")
        given = _all_of(windows)
        if self.fails:
            if len(given) == 1:
                self._failed(self._owner, given[0].pcm)
            raise EngineError("Told to fail.")
        return [self._result(window.pcm) for window in given]

    def _result(self, pcm: Pcm) -> WindowResult:
        segment = Segment(start=0.0, end=len(pcm) / SAMPLE_RATE, text=heard(pcm), words=())
        return WindowResult(segments=(segment,), flags=(self._owner,))


def _all_of(windows: Iterable[Window]) -> list[Window]:
    """Where more may come the engine waits for it, which here is to be asked again: there is one thread for all."""
    if not isinstance(windows, Batch):
        return list(windows)
    while not windows.hungry:
        next(windows)
    if windows.missing and not windows.unwanted:
        windows.ask()
        raise NotYetError
    return [window for _, _, window in windows.work]


def heard(pcm: Pcm) -> str:
    """The text of a window."""
    return hashlib.sha256(pcm.tobytes()).hexdigest()[:12]
