"""A database of its own for a test run: the same program that `parascribe serve` starts."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError


@contextlib.contextmanager
def running_database(storage: Path, port: int | None = None) -> Iterator[str]:
    """Start the database on loopback, wait until it answers, and end it afterwards."""
    with Secantus(storage, port) as database:
        yield database.url


class Secantus:
    """A database that a test may break and mend: killed and started again on its port, frozen and thawed."""

    def __init__(self, storage: Path, port: int | None = None, *options: str, query: str = "") -> None:
        self.port = port or free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?directConnection=true{query}"
        self._command = [
            str(Path(sys.executable).with_name("secantusd-py")),
            *("--port", str(self.port), "--storage-path", str(storage), "--cache-size", "64M", "--log-level", "ERROR"),
            *options,
        ]

    def start(self) -> None:
        """Start it; it may not answer yet."""
        self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """As a crash would."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        """In order."""
        self._child.terminate()
        self._child.wait()

    def freeze(self) -> None:
        """Its connections stay, and nothing comes from them."""
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        self._child.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        try:
            wait_for_database(self.url)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


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
