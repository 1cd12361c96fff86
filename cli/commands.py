"""What each command does, against a server that runs."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from cli.client import Body, Client, opened
from cli.following import account, follow, verdict
from cli.output import show_task, show_tasks, write
from cli.progress import reporting

INTERRUPTED = 130  # what shells call a program that Ctrl-C ended


def transcribe(url: str | None, file: Path, options: Mapping[str, str], *, form: str, output: Path | None) -> int:
    """Send, follow, print; returns the exit code. Ctrl-C leaves the task to the server and says how to come back."""
    notes = Console(stderr=True)
    with Client(server(url)) as client:
        task = send(client, notes, file, options)
        try:
            with reporting(notes) as report:
                task = follow(client, task, report)
        except KeyboardInterrupt:
            _say(notes, f"The task goes on without you: `parascribe status {task['task_id']}` shows how far it is,")
            _say(
                notes,
                f"`parascribe transcript {task['task_id']}` its text, `parascribe cancel {task['task_id']}` ends it.",
            )
            return INTERRUPTED
        return conclude(client, notes, task, form=form, output=output)


def send(client: Client, notes: Console, file: Path, options: Mapping[str, str]) -> Body:
    """Upload the file; returns its task."""
    with opened(file) as content:
        _say(notes, f"sending {file.name} to {client.url}")
        task = client.submit(content, {"filename": file.name, **options})
    _say(notes, f"task {task['task_id']}")
    return task


def conclude(client: Client, notes: Console, task: Body, *, form: str, output: Path | None) -> int:
    """Print what there is of an ended task; returns 0 where that is all of it. Raises ``CommandError`` otherwise."""
    fault = verdict(task)
    if task["status"] in {"completed", "partial"}:
        write(client.transcript(task["task_id"], form), output)
        _say(notes, account(task))
    if fault:
        raise fault
    return 0


def status(url: str | None, task_id: str, *, as_json: bool) -> None:
    """Show one task."""
    with Client(server(url)) as client:
        show_task(Console(), client.task(task_id), as_json=as_json)


def transcript(url: str | None, task_id: str, *, form: str, output: Path | None) -> None:
    """Print what there is of a transcript."""
    with Client(server(url)) as client:
        write(client.transcript(task_id, form), output)


def list_tasks(url: str | None, *, status: str | None, limit: int) -> None:
    """Show the newest tasks."""
    with Client(server(url)) as client:
        show_tasks(Console(), client.tasks(status=status, limit=limit))


def cancel(url: str | None, task_id: str) -> None:
    """Stop a task and show it."""
    with Client(server(url)) as client:
        show_task(Console(), client.cancel(task_id), as_json=False)


def retry(url: str | None, task_id: str) -> None:
    """Try again what failed and show the task."""
    with Client(server(url)) as client:
        show_task(Console(), client.retry(task_id), as_json=False)


def delete(url: str | None, task_id: str) -> None:
    """Remove a task."""
    with Client(server(url)) as client:
        client.delete(task_id)
    _say(Console(stderr=True), f"deleted {task_id}")


def server(url: str | None) -> str:
    """The address given, or the one that the settings of this directory name."""
    if url:
        return url
    from cli.settings import load_settings  # noqa: PLC0415 - only where no address is given

    settings = load_settings()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104 - not bound
    return f"http://[{host}]:{settings.api_port}" if ":" in host else f"http://{host}:{settings.api_port}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
