"""``parascribe demo``: the whole service in a temporary directory, on real speech, and nothing left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from cli.client import Client
from cli.commands import INTERRUPTED, conclude, send
from cli.errors import CommandError
from cli.following import follow
from cli.ports import free_port
from cli.progress import reporting
from cli.tether import tethered

SAMPLE = Path(__file__).parent.parent / "samples" / "printing.ogg"
READY_SECONDS = 120.0
STOP_SECONDS = 12.0  # the supervisor takes at most 10
SERVE = (sys.executable, "-P", "-m", "cli.main", "serve")


def run(file: Path | None = None, *, command: tuple[str, ...] = SERVE) -> int:
    """Serve, transcribe, stop; returns the exit code. Raises ``CommandError`` with the service's last words."""
    sample = file or SAMPLE
    if not sample.is_file():
        raise CommandError(f"The sample {sample} is not there: run this in a clone of the repository, or give --file.")
    with _terminable(), _directory() as directory:
        try:
            with _service(directory, command) as url:
                return _transcribe(url, sample)
        except KeyboardInterrupt:
            return INTERRUPTED


def _transcribe(url: str, sample: Path) -> int:
    notes = Console(stderr=True)
    with Client(url) as client:
        task = send(client, notes, sample, {})
        with reporting(notes) as report:
            task = follow(client, task, report)
        return conclude(client, notes, task, form="text", output=None)


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="parascribe-demo-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _service(directory: Path, command: tuple[str, ...]) -> Iterator[str]:
    """A service of its own; the block gets its address."""
    port = free_port()
    log = directory / "service.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            tethered(command),
            env={**os.environ, **_environment(directory, port)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait_ready(process, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _environment(directory: Path, port: int) -> dict[str, str]:
    """Everything of its own, whatever the environment and ``.env`` say; only the models are shared and kept."""
    apart = {"MONGO_URL": "", "STORAGE_URL": "", "TEMP_DIR": "", "LOG_FILE": ""}
    return {**apart, "DATA_DIR": str(directory / "data"), "API_HOST": "127.0.0.1", "API_PORT": str(port)}


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    Console(stderr=True).print(f"starting the service on {url}", markup=False, highlight=False)
    deadline = time.monotonic() + READY_SECONDS
    with Client(url) as client:
        while not client.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandError(f"The service did not start. Its last words:\n{_tail(log)}")
            time.sleep(0.1)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """In order; one more Ctrl-C meanwhile ends it at once."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.terminate()  # the supervisor's second signal: it kills its children, then goes
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP like Ctrl-C, so that they clean up too."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
