"""How far a task is, as a line: rewritten in place on a terminal, elsewhere one plain line a change."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from cli.client import Body

ENDED = frozenset({"completed", "partial", "failed", "cancelled"})


class Reporter(Protocol):
    """Takes the task whenever it was asked for."""

    def __call__(self, task: Body) -> None:
        """Show it."""


def line(task: Body) -> str:
    """Such as ``processing 3/9 chunks 33% 41.2x real time, 12 s to go``; what is not known is left out."""
    parts = [task["status"], _chunks(task), _percent(task), _speed(task), _rest(task)]
    return " ".join(part for part in parts if part)


def _chunks(task: Body) -> str:
    done, failed, total = task["chunks_completed"], task["chunks_failed"], task["chunks_total"]
    if total is None and not done:
        return ""
    text = f"{done}/{'?' if total is None else total} chunks"
    return f"{text} ({failed} failed)" if failed else text


def _percent(task: Body) -> str:
    return "" if task["status"] == "queued" else f"{int(task['progress'] * 100)}%"


def _speed(task: Body) -> str:
    factor = task["realtime_factor"]
    return f"{factor:.1f}x real time" if factor else ""


def _rest(task: Body) -> str:
    seconds = task["eta_seconds"]
    return f"(about {seconds:.0f} s to go)" if seconds and task["status"] not in ENDED else ""


@contextlib.contextmanager
def reporting(console: Console) -> Iterator[Reporter]:
    """A reporter for this console, for as long as the block lasts."""
    if console.is_terminal:
        with console.status("waiting") as status:
            yield _InPlace(status)
    else:
        yield _Plain(console)


class _InPlace:
    def __init__(self, status: Status) -> None:
        self._status = status

    def __call__(self, task: Body) -> None:
        self._status.update(escape(line(task)))


class _Plain:
    """A log is no place for a line a second: only what has changed besides the figures that always do."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: tuple[Any, ...] = ()

    def __call__(self, task: Body) -> None:
        now = tuple(task[name] for name in ("status", "chunks_completed", "chunks_failed", "chunks_total"))
        if now != self._shown:
            self._shown = now
            self._console.print(line(task), markup=False, highlight=False, soft_wrap=True)
