"""One embedded database per data directory: two would corrupt each other."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cli.errors import ConfigurationError


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory, made if it is missing; the lock goes with the process, however that ends."""
    with _open(directory) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise ConfigurationError(_refusal(directory, file.read().strip())) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _open(directory: Path) -> TextIO:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return (directory / ".lock").open("a+", encoding="ascii")
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {directory} cannot be written: {error.strerror}. "
            "Give another with DATA_DIR or --data-dir."
        ) from error


def _refusal(directory: Path, holder: str) -> str:
    return (
        f"The data directory {directory} is in use by another `parascribe serve` (process {holder or 'unknown'}). "
        "Stop that one, or give this one a directory of its own with DATA_DIR or --data-dir."
    )
