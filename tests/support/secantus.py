"""A database of its own for a test run: the same program that `parascribe serve` starts."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError


@contextlib.contextmanager
def running_database(storage: Path, port: int | None = None) -> Iterator[str]:
    """Start the database on loopback, wait until it answers, and end it afterwards."""
    port = port or free_port()
    program = Path(sys.executable).with_name("secantusd-py")
    options = ["--port", str(port), "--storage-path", str(storage), "--cache-size", "64M", "--log-level", "ERROR"]
    child = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL)
    url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    try:
        wait_for_database(url)
        yield url
    finally:
        child.kill()
        child.wait()


def wait_for_database(url: str, seconds: float = 30) -> None:
    """Return when it answers a ping."""
    deadline = time.monotonic() + seconds
    with MongoClient(url, serverSelectionTimeoutMS=300) as client:
        while True:
            try:
                client.admin.command("ping")
            except PyMongoError:
                if time.monotonic() > deadline:
                    raise
            else:
                return


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
