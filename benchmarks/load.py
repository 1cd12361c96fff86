"""Does the API stay prompt and small while it takes in large files and a worker uses all cores?

`python -m benchmarks.load [--seconds 20] [--rate 200] [--uploads 20] [--megabytes 50] [--json]`

API, worker, RabbitMQ and database run as separate processes. While the worker transcribes a long file, one more process
polls that task at a fixed rate and sends the uploads all at once, as forms. A poll's latency counts from the moment at
which it was due. ``rss_mb`` is the most resident memory that the API process had.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ending import end_in_order
from benchmarks.load_client import Order, command
from benchmarks.private.fleet import Fleet, Shape, running_fleet
from benchmarks.private.ground import standing
from benchmarks.private.processes import environment
from benchmarks.recording import SAMPLE, repeated
from core.config import usable_cores
from tests.support.live import ROOT, resident

SAMPLING_SECONDS = 0.05
START_SECONDS = 300.0  # in a new clone kernels are compiled and encoders compared first; nothing is measured yet


def main() -> None:
    """Print what was seen."""
    options = _options()
    end_in_order()
    figures = asyncio.run(measure(options))
    print(json.dumps(figures) if options.json else _sentence(figures))


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Start everything, keep the worker busy, load the API."""
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        folder = Path(name)
        recording = await asyncio.to_thread(
            repeated, SAMPLE, SAMPLE.with_suffix(".txt"), minutes=options.minutes, folder=folder
        )
        async with standing(folder) as ground:
            direct = {"mongo_url": ground.database.url, "rabbitmq_url": ground.rabbit.url}
            shape = Shape(workers=1, settings={**_settings(options), **direct})
            async with running_fleet(ground, shape, "load") as fleet:
                return await _loaded(fleet, await _busy(fleet, recording.path), options)


async def _busy(fleet: Fleet, audio: Path) -> str:
    """The id of a task that the worker is at."""
    task_id = await fleet.client.upload(await asyncio.to_thread(audio.read_bytes), audio.name)
    deadline = time.monotonic() + START_SECONDS
    while (await fleet.client.task(task_id) or {}).get("chunks_completed", 0) == 0:
        assert time.monotonic() < deadline, fleet.tails()
        await asyncio.sleep(0.2)
    return task_id


async def _loaded(fleet: Fleet, task_id: str, options: argparse.Namespace) -> dict[str, Any]:
    order = Order(
        port=int(fleet.client.bases[0].rsplit(":", 1)[1]),
        path=f"/api/v1/tasks/{task_id}",
        rate=options.rate,
        seconds=options.seconds,
        uploads=options.uploads,
        upload_bytes=round(options.megabytes * 1e6),
    )
    before = _cpu(fleet)
    figures, rss = await _client(order, fleet)
    after = _cpu(fleet)
    task = await fleet.client.task(task_id) or {}
    return {
        **figures,
        "rss_mb": round(rss / 1e6, 1),
        "cpu_seconds": {name: round(after[name] - before[name], 1) for name in after},
        "worker_still_busy": task.get("status") == "processing",
        "cores": usable_cores(),
    }


async def _client(order: Order, fleet: Fleet) -> tuple[dict[str, Any], int]:
    """What the client says, and the most memory that the API had meanwhile."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    client = await asyncio.create_subprocess_exec(*command(order), env=environment({}, PYTHONPATH=path), stdout=PIPE)
    api, peak = psutil.Process(fleet.apis[0].pid), 0
    telling = asyncio.create_task(client.communicate())
    try:
        while not telling.done():
            peak = max(peak, resident(api))
            await asyncio.wait({telling}, timeout=SAMPLING_SECONDS)
        output, _ = await telling
    finally:
        with contextlib.suppress(ProcessLookupError):
            client.kill()
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])
    return figures, peak


def _cpu(fleet: Fleet) -> dict[str, float]:
    children = {"worker": fleet.workers[0], "api": fleet.apis[0], "database": fleet.ground.database_process}
    times = {name: psutil.Process(child.pid).cpu_times() for name, child in children.items()}
    return {name: float(each.user + each.system) for name, each in times.items()}


def _settings(options: argparse.Namespace) -> dict[str, object]:
    return {
        "engine": options.engine,
        "fake_engine": '{"speed": 40}',
        "models_dir": os.environ.get("MODELS_DIR", str(ROOT / "models")),
        "max_parallel_workers": "auto",
    }


def _sentence(figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['polls']} polls: p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms "
        f"({figures['p99_uploading_ms']} ms while uploads came in), longest {figures['max_ms']} ms; "
        f"{figures['uploads']} uploads in {figures['upload_seconds']} s ({figures['upload_mb_per_second']} MB/s); "
        f"API {figures['rss_mb']} MB; worker {'busy' if figures['worker_still_busy'] else 'NOT BUSY'} "
        f"(processor seconds: {figures['cpu_seconds']}); errors: {figures['errors'] or 'none'}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of polls, at least (default: 20)")
    parser.add_argument("--rate", type=float, default=200.0, help="polls a second (default: 200)")
    parser.add_argument("--uploads", type=int, default=20, help="at the same time (default: 20)")
    parser.add_argument("--megabytes", type=float, default=50.0, help="of each upload (default: 50)")
    parser.add_argument("--minutes", type=float, default=60.0, help="of audio for the worker (default: 60)")
    parser.add_argument("--engine", default="faster-whisper", help="as ENGINE; fake, to test this (faster-whisper)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    main()
