"""The engine and nothing else, in a process of its own: windows from memory, two threads, the batches of a worker.

`python -m benchmarks.engine_alone FOLDER` reads the windows that :func:`save` left there, loads the model that the
settings name, warms up, says ``ready`` and waits for a line. Then it prints one JSON object: when it began and ended by
the clock, and the processor seconds that the windows took.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.line import Line
from core.config import Settings
from core.engines.registry import build_engine
from core.models import Options, Pcm
from core.niceness import give_way
from core.ports import Engine
from worker.heap import keep_heap

LANGUAGE = "en"


@dataclass(frozen=True, kw_only=True, slots=True)
class Solo:
    """What it took. ``began`` and ``ended``: seconds since 1970; ``texts``: of the windows, in order."""

    began: float
    ended: float
    cpu_seconds: float
    texts: list[str]

    @property
    def wall_seconds(self) -> float:
        """From the first window to the last."""
        return self.ended - self.began


def main() -> None:
    """Print the figures."""
    keep_heap()
    settings = Settings()
    windows = load(Path(sys.argv[1]))
    engine = build_engine(settings, settings.default_whisper_model)
    engine.load()
    transcribe(engine, windows[: settings.slots], settings)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(transcribe(engine, windows, settings))), flush=True)
    os._exit(0)  # nothing here is worth an orderly end


def transcribe(engine: Engine, windows: Sequence[Pcm], settings: Settings) -> Solo:
    """All windows on as many threads as a worker has slots, at the priority of those."""
    options = Options(model=settings.default_whisper_model, language=LANGUAGE, beam_size=settings.beam_size)
    line = Line(batch=settings.batch, slots=settings.slots)
    for pcm in windows:
        line.put(pcm)
    line.end()
    texts = [""] * len(windows)

    def work() -> None:
        give_way()
        while batch := line.take():
            results = engine.transcribe(batch, options)
            line.done(batch)
            for (index, _), result in zip(batch.windows, results, strict=True):
                texts[index] = result.text

    threads = [threading.Thread(target=work) for _ in range(settings.slots)]
    began, cpu = time.time(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Solo(began=began, ended=time.time(), cpu_seconds=time.process_time() - cpu, texts=texts)


def save(folder: Path, windows: Sequence[Pcm]) -> None:
    """Put them where the process finds them."""
    lengths = np.array([len(pcm) for pcm in windows])
    np.savez(folder / "windows.npz", lengths=lengths, samples=np.concatenate(windows))


def load(folder: Path) -> list[Pcm]:
    """As they were saved."""
    with np.load(folder / "windows.npz") as file:
        ends = np.cumsum(file["lengths"])
        return [np.ascontiguousarray(pcm) for pcm in np.split(file["samples"], ends[:-1])]


if __name__ == "__main__":
    main()
