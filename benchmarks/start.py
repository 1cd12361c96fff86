"""How long until a worker that is started takes work, and until it has transcribed something?

`python -m benchmarks.start [--repeat 3] [--json]`

API, RabbitMQ and database run; a worker is started, once with an empty DATA_DIR, so that it compares encoders, and then
again and again. (Compiled kernels lie beside the code or in NUMBA_CACHE_DIR: the first start of all also makes these.)
``ready_seconds``: from its start until it is on the list of workers and consumes; ``first_text_seconds``: until a clip
of three seconds that was waiting for it has its transcript, its language found first, so the model is loaded by then.
Figures of the summary are medians, without the first start.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ending import end_in_order
from benchmarks.private.fleet import Fleet, Shape, running_fleet
from benchmarks.private.ground import standing
from tests.support.live import ROOT

CLIP = ROOT / "tests" / "data" / "librivox-0880.wav"
PATIENCE_SECONDS = 600.0  # a first start may put a model together, compile and compare
POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """One start of a worker, in seconds."""

    ready_seconds: float
    first_text_seconds: float


def main() -> None:
    """Print a line a start and a summary."""
    options = _options()
    end_in_order()
    starts = asyncio.run(_print_all(options))
    summary = summarise(starts)
    print(json.dumps(summary) if options.json else _closing(summary))


def summarise(starts: Sequence[Start]) -> dict[str, Any]:
    """Medians of all but the first, which had to compare encoders."""
    first, *warm = starts
    return {
        "summary": True,
        "cold": _rounded(first),
        "ready_seconds": round(median(start.ready_seconds for start in warm), 2),
        "first_text_seconds": round(median(start.first_text_seconds for start in warm), 2),
    }


async def _print_all(options: argparse.Namespace) -> list[Start]:
    starts = []
    async for start in measure(options.engine, options.repeat + 1):
        starts.append(start)
        print(json.dumps(_rounded(start)) if options.json else _sentence(start), flush=True)
    return starts


async def measure(engine: str, count: int) -> AsyncIterator[Start]:
    """Starts of one worker."""
    settings = {
        "engine": engine,
        "models_dir": os.environ.get("MODELS_DIR", str(ROOT / "models")),
        "fake_engine": "{}",
    }
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        async with standing(Path(name)) as ground:
            direct = {"mongo_url": ground.database.url, "rabbitmq_url": ground.rabbit.url}
            async with running_fleet(ground, Shape(workers=0, settings={**settings, **direct}), "start") as fleet:
                for number in range(count):
                    yield await _started(fleet, f"worker-{number}")


async def _started(fleet: Fleet, name: str) -> Start:
    task_id = await fleet.client.upload(CLIP.read_bytes(), CLIP.name)
    began = time.monotonic()
    child = await fleet.add_worker(name)
    while not (fleet.identity(child) in await fleet.listed() and await fleet.queues.consumed(1)):
        assert time.monotonic() - began < PATIENCE_SECONDS, fleet.tails()
        await asyncio.sleep(POLL_SECONDS)
    ready = time.monotonic() - began
    await fleet.client.ended(task_id, PATIENCE_SECONDS)
    text = time.monotonic() - began
    await child.terminate()
    fleet.workers.remove(child)
    return Start(ready_seconds=ready, first_text_seconds=text)


def _rounded(start: Start) -> Mapping[str, float]:
    return {name: round(value, 2) for name, value in asdict(start).items()}


def _sentence(start: Start) -> str:
    return f"ready after {start.ready_seconds:5.2f} s   first text after {start.first_text_seconds:5.2f} s"


def _closing(summary: Mapping[str, Any]) -> str:
    return (
        f"\nwith warm caches: ready after {summary['ready_seconds']:.2f} s, "
        f"first text after {summary['first_text_seconds']:.2f} s"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="starts with warm caches (default: 3)")
    parser.add_argument(
        "--engine", choices=["faster-whisper", "fake"], default="faster-whisper", help="fake: for tests"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
