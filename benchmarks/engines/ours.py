"""This project's engine on a file: decoded and cut while it is transcribed, as a worker does it, without the rest."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from benchmarks.line import Line
from core.audio.cutting import BLOCK_SAMPLES, Cutter
from core.audio.decode import DecodeLimits
from core.audio.decoders import Decoders
from core.config import Settings
from core.engines.builders import build_whisper
from core.engines.model_files import ModelFiles
from core.engines.quality import Attempt, settle
from core.models import Options
from core.ports import Engine
from worker.heap import keep_heap

Transcribe = Callable[[Path], str]


def ours(settings: Settings, files: ModelFiles, language: str, *, fallback: bool) -> "Ours":
    """Loaded. Without ``fallback`` no window is decoded twice, however doubtful its text."""
    keep_heap()
    engine = build_whisper(settings, files, settle=settle if fallback else keep_first)
    engine.load()
    options = Options(model=files.name, language=language, beam_size=settings.beam_size)
    return Ours(engine, settings, options)


def keep_first(first: Attempt, _again: object) -> Attempt:
    """In place of :func:`core.engines.quality.settle`: whatever comes first is good enough."""
    return first


class Ours:
    """The engine, and perhaps what decoders are cloned from. Its process ends with its parent."""

    def __init__(self, engine: Engine, settings: Settings, options: Options) -> None:
        self._engine, self._settings, self._options = engine, settings, options
        self._loop = asyncio.Runner()
        self._decoders = Decoders()

    def __call__(self, path: Path) -> str:
        line = Line(batch=self._settings.batch, slots=self._settings.slots)
        texts: dict[int, str] = {}
        slots = [threading.Thread(target=self._work, args=(line, texts)) for _ in range(self._settings.slots)]
        for slot in slots:
            slot.start()
        try:
            self._loop.run(self._cut(path, line))
        finally:
            line.end()
        for slot in slots:
            slot.join()
        return " ".join(texts[index] for index in sorted(texts))

    def stand_by(self) -> None:
        """What a worker does while it has nothing else to do."""
        self._loop.run(self._decoders.prepare())

    def _work(self, line: Line, texts: dict[int, str]) -> None:
        while batch := line.take():
            results = self._engine.transcribe(batch, self._options)
            line.done(batch)
            texts.update({index: result.text for (index, _), result in zip(batch.windows, results, strict=True)})

    async def _cut(self, path: Path, line: Line) -> None:
        async with self._decoders.open(path, DecodeLimits()) as decoder:
            async for _, pcm in Cutter(self._settings.cut_plan, asyncio.to_thread).cut(decoder.blocks(BLOCK_SAMPLES)):
                line.put(pcm)
