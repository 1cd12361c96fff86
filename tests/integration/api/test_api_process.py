"""The API as a process of its own: how it starts, what it takes, how it ends."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from core.config import Settings
from tests.support.secantus import free_port, running_database

ROOT = Path(__file__).parents[3]
DEADLINE = 60
MIB = 1024 * 1024


class ApiProcess:
    """`python cmd/api/main.py`'s own main, its log read line by line."""

    def __init__(self, folder: Path, **variables: str) -> None:
        clean = {name: value for name, value in os.environ.items() if name not in {"MONGO_URL", "API_PORT"}}
        env = clean | {"PYTHONPATH": str(ROOT), "LOG_FORMAT": "json", "ENGINE": "fake", "API_PORT": "0"} | variables
        code = "from api.main import main; main()"
        self.child = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=env, stderr=subprocess.PIPE)
        self.lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.stderr is not None
        with self.child.stderr as stream:
            for line in stream:
                self.lines.put(line.decode())

    def until(self, event: str) -> dict[str, object]:
        """The first log line of that event."""
        while True:
            line = self.lines.get(timeout=DEADLINE)
            if line.startswith("{") and json.loads(line)["event"] == event:
                return dict(json.loads(line))

    def memory(self, field: str) -> int:
        """A figure of the process, in bytes."""
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(DEADLINE)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[ApiProcess]]:
    """What a test starts; nothing of it survives the test."""
    processes: list[ApiProcess] = []
    yield processes
    for process in processes:
        process.child.kill()
        process.child.wait()


def start(started: list[ApiProcess], folder: Path, **variables: str) -> ApiProcess:
    """One more process."""
    process = ApiProcess(folder, **variables)
    started.append(process)
    return process


def environment(settings: Settings) -> dict[str, str]:
    """The settings of this test as variables."""
    assert settings.mongo_url is not None
    return {
        "MONGO_URL": settings.mongo_url,
        "MONGO_DATABASE": settings.mongo_database,
        "DATA_DIR": str(settings.data_dir),
    }


def test_without_a_database_address_it_says_how_to_give_one(started: list[ApiProcess], tmp_path: Path) -> None:
    """One sentence and exit code 78: to start it again would not help."""
    process = start(started, tmp_path)
    assert process.child.wait(DEADLINE) == 78
    assert "MONGO_URL" in process.lines.get(timeout=DEADLINE)


def test_settings_that_are_no_settings_are_named(started: list[ApiProcess], tmp_path: Path) -> None:
    """The variable's own name, no stack trace, exit code 78."""
    process = start(started, tmp_path, API_PORT="eight")
    assert process.child.wait(DEADLINE) == 78
    line = process.lines.get(timeout=DEADLINE)
    assert "API_PORT" in line
    assert "Traceback" not in line


def test_a_port_in_use_is_named(started: list[ApiProcess], tmp_path: Path, settings: Settings) -> None:
    """With the setting to change, and exit code 78."""
    first = start(started, tmp_path, **environment(settings))
    port = first.until("listening")["port"]
    second = start(started, tmp_path, **environment(settings) | {"API_PORT": str(port)})
    assert second.child.wait(DEADLINE) == 78
    assert "API_PORT" in second.lines.get(timeout=DEADLINE)


def test_it_ends_when_asked(started: list[ApiProcess], tmp_path: Path, settings: Settings) -> None:
    """Exit code 0."""
    process = start(started, tmp_path, **environment(settings))
    process.until("listening")
    assert process.end() == 0


def test_it_waits_for_a_database_that_is_away(started: list[ApiProcess], tmp_path: Path) -> None:
    """Started before its database it serves as soon as that is there."""
    port = free_port()
    process = start(started, tmp_path, MONGO_URL=f"mongodb://127.0.0.1:{port}/?directConnection=true")
    process.until("waiting for the database")
    folder = tmp_path / "database"
    folder.mkdir()
    with running_database(folder, port):
        process.until("listening")
        assert process.end() == 0


def test_it_ends_when_asked_while_it_waits(started: list[ApiProcess], tmp_path: Path) -> None:
    """No database ever came, and the driver's own search for one, 10 s, is not waited for."""
    process = start(started, tmp_path, MONGO_URL=f"mongodb://127.0.0.1:{free_port()}/?directConnection=true")
    process.until("waiting for the database")
    asked = time.monotonic()
    assert process.end() == 0
    assert time.monotonic() - asked < 8


def form(size: int) -> Iterator[bytes]:
    """A form with a file of that many bytes."""
    yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\x00\x00\x00\x00WAVE'
    block = bytes(MIB)
    for _ in range(size // MIB):
        yield block
    yield b'\r\n--B\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--B--\r\n'


def raw(size: int) -> Iterator[bytes]:
    """A file of that many bytes."""
    yield b"RIFF\x00\x00\x00\x00WAVE"
    block = bytes(MIB)
    for _ in range(size // MIB):
        yield block


def send(port: object, route: str, body: Iterator[bytes]) -> int:
    """Upload without a Content-Length; the status."""
    connection = http.client.HTTPConnection("127.0.0.1", int(str(port)), timeout=600)
    kind = {"Content-Type": "multipart/form-data; boundary=B"} if route.endswith("upload") else {}
    headers = kind | {"Transfer-Encoding": "chunked"}
    connection.request("POST", f"/api/v1/tasks{route}", body=body, headers=headers, encode_chunked=True)
    status = connection.getresponse().status
    connection.close()
    return status


def moved(process: ApiProcess, port: object, size: int) -> int:
    """By how many bytes the largest residence during two uploads lies above the residence before them."""
    for route, body in (("/upload", form(MIB)), ("", raw(MIB))):
        assert send(port, route, body) == 202  # what is loaded once is loaded now
    before = process.memory("VmRSS")
    assert send(port, "/upload", form(size)) == 202
    assert send(port, "", raw(size)) == 202
    return process.memory("VmHWM") - before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    "mebibytes", [300, pytest.param(2_000, marks=pytest.mark.slow)]
)  # fmt: skip
def test_an_upload_is_not_held_in_memory(
    started: list[ApiProcess], tmp_path: Path, settings: Settings, mebibytes: int
) -> None:
    """As a form and as it is: however large, less than 30 MB at the highest."""
    process = start(started, tmp_path, **environment(settings))
    port = process.until("listening")["port"]
    assert moved(process, port, mebibytes * MIB) < 30 * MIB
