"""One contender on one file, in a process of its own.

`python -m benchmarks.engines.one NAME MODEL LANGUAGE FALLBACK WARM FILE`, with `yes` or `no` for FALLBACK: whether ours
decodes doubtful windows again; peers do as they always do. Prints one JSON object: seconds, processor seconds, the most
memory that was resident, the text, and the settings as they were read. Loading and a first transcription of a short
file are not counted. Works in the current directory.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from benchmarks.engines import peers
from benchmarks.engines.contenders import CONTENDERS
from benchmarks.engines.ours import Ours, Transcribe, ours
from core.config import Settings
from core.engines.registry import model_store


def main() -> None:
    """Print the figures."""
    name, model, language, fallback, warm, file = sys.argv[1:]
    settings = Settings()
    transcribe = _loaded(name, settings, model, language, fallback=fallback == "yes")
    transcribe(Path(warm))
    if isinstance(transcribe, Ours):
        transcribe.stand_by()
    wall, cpu = time.monotonic(), _cpu()
    text = transcribe(Path(file))
    line = {
        "wall_seconds": time.monotonic() - wall,
        "cpu_seconds": _cpu() - cpu,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "text": text,
        "settings": settings.model_dump(mode="json"),
    }
    print(json.dumps(line), flush=True)
    os._exit(0)  # nothing here is worth an orderly end


def _loaded(name: str, settings: Settings, model: str, language: str, *, fallback: bool) -> Transcribe:
    contender = CONTENDERS[name]
    files = model_store(settings).find(model)
    if contender.ours:
        return ours(settings, files, language, fallback=fallback)
    transcribe: Transcribe = getattr(peers, contender.kind)(files, language, **contender.settings)
    return transcribe


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
