"""How much longer does a file take through the whole product than through the engine alone?

`python -m benchmarks.overhead [--audio FILE] [--minutes 30] [--repeat 3] [--decoder NAME] [--encoder NAME] [--json]`

The product: API, worker, RabbitMQ and database as separate processes; the time from the first byte of the upload to the
end of the task. The engine: the same windows, cut before and held in memory, on as many threads as the worker has
slots, in a process with nothing else in it. The two run at the same time, but never at the same moment: for a second
and a half the one, then as long the other, and while one of them runs all processes of the other are stopped, so each
has the machine for itself. What counts is the time in which it ran. A machine whose speed drifts is as fast for both.
(A wait that is under way while its side is stopped costs that side less; waking up costs it some milliseconds more.)
``overhead_percent`` of the summary is the median of the turns. ``cpu_seconds`` says where the difference goes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, get_args
from urllib.parse import urlencode, urlsplit

import psutil

from benchmarks.ending import end_in_order
from benchmarks.engine_alone import LANGUAGE, Solo, save
from benchmarks.private.alternation import Side, alternating
from benchmarks.private.fleet import Fleet, Shape, running_fleet
from benchmarks.private.ground import Ground, standing
from benchmarks.private.processes import environment
from benchmarks.recording import SAMPLE, Recording, repeated, windows_of
from core.config import Settings, usable_cores
from tests.support.live import ROOT

WARM_UP = ROOT / "tests" / "data" / "librivox-0880.wav"
REST_SECONDS = 3.0  # after it, until the last file is tidied up, as on any other day
PATIENCE_SECONDS = 3600.0
SLOTS = 2
UPLOAD_BYTES = 1 << 18  # sent at once
ENDED = {"completed", "partial", "failed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """One file through the product. ``cpu_seconds``: by process, children included."""

    wall_seconds: float
    cpu_seconds: Mapping[str, float]
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """Both, beside each other. ``engine_seconds``: those in which the engine ran."""

    product: Whole
    engine: Solo
    engine_seconds: float

    @property
    def overhead_percent(self) -> float:
        """How much longer the product took."""
        return 100 * (self.product.wall_seconds / self.engine_seconds - 1)

    @property
    def line(self) -> dict[str, Any]:
        """All but the texts, rounded."""
        return {
            "product_seconds": round(self.product.wall_seconds, 4),
            "engine_seconds": round(self.engine_seconds, 4),
            "overhead_percent": round(self.overhead_percent, 2),
            "product_cpu_seconds": {name: round(value, 2) for name, value in self.product.cpu_seconds.items()},
            "engine_cpu_seconds": round(self.engine.cpu_seconds, 2),
        }


def main() -> None:
    """Print a line a turn and a summary."""
    options = _options()
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        reference = options.audio.with_suffix(".txt")
        recording = repeated(options.audio, reference, minutes=options.minutes, folder=Path(name))
        turns: list[Turn] = []
        for turn in measure(recording, options.repeat, Path(name), _settings(options)):
            turns.append(turn)
            print(json.dumps(turn.line) if options.json else _sentence(turn), flush=True)
    summary = summarise(turns, recording)
    print(json.dumps(summary) if options.json else _closing(summary))


def measure(recording: Recording, repeat: int, folder: Path, settings: Mapping[str, object]) -> Iterator[Turn]:
    """Both ways, ``repeat`` times."""
    save(folder, asyncio.run(windows_of(recording.path)))
    for _ in range(repeat):
        yield asyncio.run(_turn(recording.path, folder, settings))


def summarise(turns: list[Turn], recording: Recording) -> dict[str, Any]:
    """Medians over the turns."""
    product = median(turn.product.wall_seconds for turn in turns)
    engine = median(turn.engine_seconds for turn in turns)
    cpu = {name: median(turn.product.cpu_seconds[name] for turn in turns) for name in turns[0].product.cpu_seconds}
    return {
        "summary": True,
        "audio_seconds": round(recording.seconds, 1),
        "cores": usable_cores(),
        "slots": SLOTS,
        "windows": len(turns[0].engine.texts),
        "product_seconds": round(product, 4),
        "engine_seconds": round(engine, 4),
        "overhead_percent": round(median(turn.overhead_percent for turn in turns), 2),
        "product_cpu_seconds": {name: round(value, 2) for name, value in cpu.items()},
        "engine_cpu_seconds": round(median(turn.engine.cpu_seconds for turn in turns), 2),
        "same_text": all(_same(turn) for turn in turns),
    }


async def _turn(audio: Path, folder: Path, settings: Mapping[str, object]) -> Turn:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        async with standing(Path(name)) as ground, _alone(folder, settings) as engine:
            direct = {"mongo_url": ground.database.url, "rabbitmq_url": ground.rabbit.url}
            shape = Shape(workers=1, settings={**settings, **direct})
            async with running_fleet(ground, shape, "overhead") as fleet:
                await _through(fleet, WARM_UP)
                await asyncio.sleep(REST_SECONDS)
                return await _beside_each_other(ground, fleet, audio, engine)


async def _beside_each_other(ground: Ground, fleet: Fleet, audio: Path, engine: Process) -> Turn:
    side, other = Side(*_roots(ground, fleet).values()), Side(engine.pid)
    async with alternating(side, other):
        product, solo = await asyncio.gather(_measured(ground, fleet, audio, side), _finished(engine, other))
    return Turn(product=product, engine=solo, engine_seconds=other.seconds(solo.began, solo.ended))


@contextlib.asynccontextmanager
async def _alone(folder: Path, settings: Mapping[str, object]) -> AsyncIterator[Process]:
    """The engine, waiting for the word."""
    command = [sys.executable, "-P", "-m", "benchmarks.engine_alone", str(folder)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(settings, PYTHONPATH=path), cwd=folder, stdin=PIPE, stdout=PIPE, limit=1 << 24
    )
    try:
        assert await _says_ready(process), "the engine did not get ready"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _says_ready(process: Process) -> bool:
    """Where encoders were never compared it does so first, and says that before."""
    assert process.stdout is not None
    async for line in process.stdout:
        if line == b"ready\n":
            return True
    return False


async def _finished(engine: Process, side: Side) -> Solo:
    assert engine.stdin is not None
    assert engine.stdout is not None
    engine.stdin.write(b"\n")
    line = await engine.stdout.readline()
    side.over.set()
    return Solo(**json.loads(line))


async def _measured(ground: Ground, fleet: Fleet, audio: Path, side: Side) -> Whole:
    before = _cpu(ground, fleet)
    began, ended, text = await _through(fleet, audio)
    side.over.set()
    after = _cpu(ground, fleet)
    cpu = {name: after[name] - before[name] for name in after}
    return Whole(wall_seconds=side.seconds(began, ended), cpu_seconds=cpu, text=text)


async def _through(fleet: Fleet, audio: Path) -> tuple[float, float, str]:
    """When the first byte was sent and the task ended, in seconds since 1970, and the text."""
    began, task_id = await asyncio.to_thread(_upload, fleet.client.bases[0], audio)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with closing(_connection(fleet.client.bases[0])) as connection:
        while (task := await asyncio.to_thread(_poll, connection, task_id))["status"] not in ENDED:
            assert time.monotonic() < deadline, task
            await asyncio.sleep(1.0)  # a poll costs the service milliseconds; the end is read from the task itself
    assert task["status"] == "completed", task
    transcript = await fleet.client.transcript(task_id)
    return began, datetime.fromisoformat(task["finished_at"]).timestamp(), transcript["text"]


def _upload(base: str, audio: Path) -> tuple[float, str]:
    """When it began, and the task. From the file to the socket, as curl does it: httpx copies more than the API, and
    takes as long for a poll. A client is no part of what is measured, but shares its cores."""
    query = urlencode({"filename": audio.name, "language": LANGUAGE})
    headers = {"Content-Length": str(audio.stat().st_size)}
    with audio.open("rb") as file, closing(_connection(base)) as connection:
        began = time.time()
        connection.request("POST", f"/api/v1/tasks?{query}", body=file, headers=headers)
        answer = connection.getresponse()
        said = answer.read()
    assert answer.status == 202, said
    return began, str(json.loads(said)["task_id"])


def _poll(connection: HTTPConnection, task_id: str) -> dict[str, Any]:
    connection.request("GET", f"/api/v1/tasks/{task_id}")
    with connection.getresponse() as answer:
        task: dict[str, Any] = json.loads(answer.read())
    assert answer.status == 200, task
    return task


def _connection(base: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE_SECONDS, blocksize=UPLOAD_BYTES)


def _roots(ground: Ground, fleet: Fleet) -> dict[str, int]:
    """Who asks comes before who is asked."""
    return {
        "worker": fleet.workers[0].pid,
        "api": fleet.apis[0].pid,
        "database": ground.database_process.pid,
        "broker": ground.rabbit.pid or 0,
    }


def _cpu(ground: Ground, fleet: Fleet) -> dict[str, float]:
    return {name: _cpu_of(pid) for name, pid in _roots(ground, fleet).items()}


def _cpu_of(pid: int) -> float:
    """Processor seconds of a process, of those that it has started, and of those that have ended."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return float(sum(each.user + each.system + each.children_user + each.children_system for each in times))


def _same(turn: Turn) -> bool:
    return " ".join(turn.product.text.split()) == " ".join(" ".join(turn.engine.texts).split())


def _settings(options: argparse.Namespace) -> dict[str, object]:
    return {
        "engine": options.engine,
        "decoder": options.decoder,
        "encoder": options.encoder,
        "models_dir": os.environ.get("MODELS_DIR", str(ROOT / "models")),
        "max_parallel_workers": SLOTS,
        "batch_size": 8,  # on both sides, and no trial of others meanwhile
        "fake_engine": "{}",
    }


def _sentence(turn: Turn) -> str:
    cpu = ", ".join(f"{name} {value:.1f}" for name, value in turn.product.cpu_seconds.items())
    return (
        f"product {turn.product.wall_seconds:7.1f} s   engine alone {turn.engine_seconds:7.1f} s   "
        f"{turn.overhead_percent:+5.1f} %   (processor seconds: {cpu}; engine alone {turn.engine.cpu_seconds:.1f})"
    )


def _closing(summary: Mapping[str, Any]) -> str:
    return (
        f"\n{summary['audio_seconds']:.0f} s of audio in {summary['windows']} windows on {summary['cores']} cores: "
        f"{summary['product_seconds']:.1f} s through the product, {summary['engine_seconds']:.1f} s through the engine "
        f"alone: overhead {summary['overhead_percent']:+.1f} %; "
        + ("texts identical" if summary["same_text"] else "TEXTS DIFFER")
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=SAMPLE, help="any audio file (default: the sample)")
    parser.add_argument("--minutes", type=float, default=30.0, help="length to reach by repeating (default: 30)")
    parser.add_argument("--repeat", type=int, default=3, help="turns (default: 3)")
    parser.add_argument(
        "--engine", choices=["faster-whisper", "fake"], default="faster-whisper", help="fake: for tests"
    )
    for name in ("decoder", "encoder"):
        known = get_args(Settings.model_fields[name].annotation)
        parser.add_argument(f"--{name}", choices=known, default="auto", help=f"as {name.upper()} (default: auto)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
