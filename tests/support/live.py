"""The real product on a free port: the command that users type, in a directory of its own, and nothing left running.

Used by the acceptance tests and the benchmarks. Nothing here looks into the program: it is started, asked over HTTP,
and stopped by a signal.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.secantus import free_port

ROOT = Path(__file__).parents[2]
ENDED = frozenset({"completed", "partial", "failed", "cancelled"})
START_SECONDS = 90.0
STOP_SECONDS = 15.0  # the supervisor promises 10
POLL_SECONDS = 0.1

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service: what a user can ask of it, and what an operator can see of its processes."""

    http: httpx.Client
    supervisor: psutil.Process
    log_file: Path

    # --- as a user

    def send(self, data: bytes | Path | Iterable[bytes], name: str = "clip.wav", **options: str) -> httpx.Response:
        """The file as the body of a request, as ``curl -T`` does it."""
        with contextlib.ExitStack() as stack:
            body = stack.enter_context(data.open("rb")) if isinstance(data, Path) else data
            return self.http.post("/api/v1/tasks", content=body, params={"filename": name, **options})

    def upload(self, data: bytes | Path | Iterable[bytes], name: str = "clip.wav", **options: str) -> str:
        """The task's id; the service must accept the file."""
        answer = self.send(data, name, **options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> Json:
        """The task as it stands."""
        return self._get(f"/api/v1/tasks/{task_id}")

    def chunks(self, task_id: str) -> list[Json]:
        """Every chunk that is known."""
        found: list[Json] = self._get(f"/api/v1/tasks/{task_id}/chunks")["chunks"]
        return found

    def wait(self, task_id: str, seconds: float = 120.0, every_seconds: float = POLL_SECONDS) -> Json:
        """The task once it has ended; the deadline only ends a test that has failed."""
        task: Json = until(lambda: self.task(task_id), lambda task: task["status"] in ENDED, seconds, every_seconds)
        return task

    def transcript(self, task_id: str, form: str = "verbose_json") -> Any:
        """The transcript: a document for the JSON formats, else a text."""
        answer = self.http.get(f"/api/v1/tasks/{task_id}/transcript", params={"format": form})
        assert answer.status_code == 200, answer.text
        return answer.json() if form.endswith("json") else answer.text

    def text(self, task_id: str) -> str:
        """The words alone, in one line."""
        return " ".join(str(self.transcript(task_id, "text")).split())

    def transcribe(self, data: bytes | Path, name: str = "clip.wav", seconds: float = 120.0, **options: str) -> Json:
        """Upload and wait: the task, which must be completed."""
        task = self.wait(self.upload(data, name, **options), seconds)
        assert task["status"] == "completed", task
        return task

    # --- as an operator

    @property
    def app(self) -> psutil.Process:
        """The process with API and worker."""
        (app,) = (child for child in self.supervisor.children() if "cli.embedded" in child.cmdline())
        return app

    def resident_bytes(self) -> int:
        """Resident memory of the app and of the decoders that it has started."""
        return sum(resident(process) for process in (self.app, *self.app.children(recursive=True)))

    def cpu_seconds(self) -> float:
        """Processor time that the app has used, its ended decoders included, and the database."""
        return sum(_cpu(process) for process in self.supervisor.children())

    def log(self) -> str:
        """What it has printed so far."""
        return self.log_file.read_text(errors="replace")

    def _get(self, path: str) -> Json:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body


@contextlib.contextmanager
def serving(directory: Path, **settings: object) -> Iterator[Service]:
    """The service on a directory of its own, ready to take work; ``settings``: environment variables in small letters.

    On leaving it is stopped as a user would stop it, and must leave with 0, no process behind, and no trace of an
    error that nobody foresaw in its log.
    """
    port, log_file = free_port(), directory / "service.log"
    command = [
        sys.executable,
        "-P",
        "-m",
        "cli.main",
        "serve",
        "--port",
        str(port),
        "--data-dir",
        str(directory / "data"),
    ]
    with log_file.open("wb") as log:
        child = subprocess.Popen(command, cwd=directory, env=_environment(settings), stdout=log, stderr=log)
    with ending(child), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
        service = Service(http=http, supervisor=psutil.Process(child.pid), log_file=log_file)
        _wait_ready(service, child)
        yield service
    assert child.returncode == 0, service.log()[-3000:]
    assert "Traceback" not in service.log(), service.log()[-3000:]


@contextlib.contextmanager
def ending(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Stop it at the end of the block, and see that all that it started has gone."""
    try:
        yield
    finally:
        family = _family(child)
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
        left = [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        child.wait()
    assert not left, f"still running {STOP_SECONDS} s after SIGTERM: {left}"


def until(
    read: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float, every_seconds: float = POLL_SECONDS
) -> Any:
    """Poll until what is read is wanted; the deadline only ends a test that has failed."""
    deadline = time.monotonic() + seconds
    while not wanted(value := read()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {value}"
        time.sleep(every_seconds)
    return value


def resident(process: psutil.Process) -> int:
    """Resident bytes; 0 for a process that has just gone."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _family(child: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        parent = psutil.Process(child.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _environment(settings: dict[str, object]) -> dict[str, str]:
    """None of the settings of whoever runs the tests; the models are shared, since they are large and never change."""
    known = {"MONGO_URL", "STORAGE_URL", "TEMP_DIR", "LOG_FILE", "ENGINE", "FAKE_ENGINE", "MAX_PARALLEL_WORKERS"}
    kept = {name: value for name, value in os.environ.items() if name not in known}
    models = os.environ.get("MODELS_DIR", str(ROOT / "models"))
    given = {
        name.upper(): str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()
    }
    return {**kept, "MODELS_DIR": models, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **given}


def _wait_ready(service: Service, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(service.http):
        assert child.poll() is None, f"the service ended with {child.returncode}:\n{service.log()[-3000:]}"
        assert time.monotonic() < deadline, f"not ready within {START_SECONDS} s:\n{service.log()[-3000:]}"
        time.sleep(POLL_SECONDS)


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
