"""Follow a task to its end, through restarts of the server."""

import time
from collections.abc import Callable

from cli.client import Body, Client, ServerAwayError
from cli.errors import CommandError
from cli.progress import ENDED, Reporter


def follow(
    client: Client,
    task: Body,
    report: Reporter,
    *,
    patience_seconds: float = 60.0,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Body:
    """Ask until the task has ended; returns it as it is then.

    A server that is away for up to ``patience_seconds`` is waited for: it may be starting again. Raises what the last
    question raised after that.
    """
    began = heard = clock()
    while True:
        report(task)
        if task["status"] in ENDED:
            return task
        pause(0.2 if clock() - began < 60 else 1.0)
        try:
            task = client.task(task["task_id"])
            heard = clock()
        except ServerAwayError:
            if clock() - heard > patience_seconds:
                raise


def verdict(task: Body) -> CommandError | None:
    """What is to be said of a task that did not end well; None where it did."""
    task_id, error = task["task_id"], task["error"]
    reason = f"{error['message']} [{error['code']}]" if error else "no reason is known."
    failed = task["coverage"]["failed_seconds"]
    sentences = {
        "partial": f"{failed:.1f} s of the audio could not be transcribed: {reason} "
        f"Try those parts again with `parascribe retry {task_id}`.",
        "failed": f"The task failed: {reason}",
        "cancelled": "The task was cancelled.",
    }
    sentence = sentences.get(task["status"])
    return CommandError(sentence) if sentence else None


def account(task: Body) -> str:
    """Where the audio went and how fast, in one line."""
    coverage = task["coverage"]
    parts = (f"{coverage[f'{name}_seconds']:.1f} s {name}" for name in ("transcribed", "silent", "failed"))
    total = f" = {task['duration_seconds']:.1f} s of audio" if task["duration_seconds"] is not None else ""
    speed = f"; {task['realtime_factor']:.1f}x real time" if task["realtime_factor"] else ""
    return f"{' + '.join(parts)}{total}{speed}"
