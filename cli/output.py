"""Where transcripts and tables go."""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.table import Column, Table

from cli.client import Body
from cli.errors import CommandError
from cli.following import account
from cli.progress import line


def write(parts: Iterable[bytes], path: Path | None) -> None:
    """Write to a file, whole or not at all, or to standard output."""
    with _target(path) as file:
        last = b"\n"
        for part in parts:
            file.write(part)
            last = part or last
        if path is None and not last.endswith(b"\n"):
            file.write(b"\n")  # so that the prompt starts on a line of its own


@contextlib.contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def show_task(console: Console, task: Body, *, as_json: bool) -> None:
    """One task: its figures, or the whole of what the server says."""
    if as_json:
        console.file.write(json.dumps(task, indent=2) + "\n")
        return
    table = Table.grid(padding=(0, 2))
    for name, value in _figures(task):
        table.add_row(name, value)
    console.print(table, markup=False, highlight=False)


def _figures(task: Body) -> Iterator[tuple[str, str]]:
    yield "task", task["task_id"]
    yield "file", task["filename"]
    yield "state", line(task)
    yield "model", f"{task['model']}, {task['language'] or 'language not known yet'}, {task['task']}"
    yield "coverage", account(task)
    if task["error"]:
        yield "error", f"{task['error']['message']} [{task['error']['code']}]"


def show_tasks(console: Console, tasks: Iterable[Body]) -> None:
    """A table, newest first."""
    table = Table(Column("task", no_wrap=True, min_width=36), "state", "file", "created", box=None, pad_edge=False)
    for task in tasks:
        table.add_row(task["task_id"], line(task), task["filename"], task["created_at"])
    console.print(table, markup=False, highlight=False)
