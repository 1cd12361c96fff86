"""This project's engine on a file: decoded and cut while it is transcribed, as a worker does it, without the rest."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from benchmarks.line import Line
from core.audio.cutting import BLOCK_SAMPLES, Cutter
from core.audio.decode import DecodeLimits, open_decoder
from core.config import Settings
from core.engines.builders import build_whisper
from core.engines.model_files import ModelFiles
from core.engines.quality import Attempt, settle
from core.models import Options, Window
from core.ports import Engine
from worker.heap import keep_heap

Transcribe = Callable[[Path], str]


def ours(settings: Settings, files: ModelFiles, language: str, *, fallback: bool) -> Transcribe:
    """Loaded. Without ``fallback`` no window is decoded twice, however doubtful its text."""
    keep_heap()
    engine = build_whisper(settings, files, settle=settle if fallback else keep_first)
    engine.load()
    options = Options(model=files.name, language=language, beam_size=settings.beam_size)
    return lambda path: _transcribed(engine, settings, options, path)


def keep_first(first: Attempt, _again: object) -> Attempt:
    """In place of :func:`core.engines.quality.settle`: whatever comes first is good enough."""
    return first


def _transcribed(engine: Engine, settings: Settings, options: Options, path: Path) -> str:
    line = Line(batch=settings.batch, slots=settings.slots)
    texts: dict[int, str] = {}

    def work() -> None:
        while batch := line.take():
            results = engine.transcribe([Window(pcm=pcm) for _, pcm in batch], options)
            texts.update({index: result.text for (index, _), result in zip(batch, results, strict=True)})

    slots = [threading.Thread(target=work) for _ in range(settings.slots)]
    for slot in slots:
        slot.start()
    try:
        asyncio.run(_cut(path, settings, line))
    finally:
        line.end()
    for slot in slots:
        slot.join()
    return " ".join(texts[index] for index in sorted(texts))


async def _cut(path: Path, settings: Settings, line: Line) -> None:
    async with open_decoder(path, DecodeLimits()) as decoder:
        async for _, pcm in Cutter(settings.cut_plan, asyncio.to_thread).cut(decoder.blocks(BLOCK_SAMPLES)):
            line.put(pcm)
