"""The command line: ``parascribe serve | transcribe | status | list | cancel | retry | delete | demo``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli import commands
from cli.errors import CommandError

app = typer.Typer(
    name="parascribe",
    help="Turn long audio into text on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="PARASCRIBE_URL", help="The server; else API_HOST and API_PORT of the settings."),
]
TaskId = Annotated[str, typer.Argument(help="As `transcribe` and `list` print it.")]


class Kind(StrEnum):
    """What is wanted of the speech."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; else API_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0: any; else API_PORT.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Database and blobs; else DATA_DIR.")] = None,
) -> None:
    """Run the service on this machine, database included, until Ctrl-C."""
    from cli.serve import serve as run  # noqa: PLC0415 - the other commands start faster without
    from cli.settings import load_settings  # noqa: PLC0415

    raise typer.Exit(run(load_settings(api_host=host, api_port=port, data_dir=data_dir)))


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="Audio or video, of any length.", exists=True, dir_okay=False)],
    url: Url = None,
    language: Annotated[str | None, typer.Option(help="Code or name; else it is found.")] = None,
    model: Annotated[str | None, typer.Option(help="Such as base; else DEFAULT_WHISPER_MODEL of the server.")] = None,
    form: Annotated[str, typer.Option("--format", help="text, json, verbose_json, srt, vtt or tsv.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write the transcript there; else it is printed.")] = None,
    kind: Annotated[Kind, typer.Option("--task", help="translate: into English.")] = Kind.TRANSCRIBE,
    prompt: Annotated[str | None, typer.Option(help="Names and words that the speech may contain.")] = None,
    word_timestamps: Annotated[bool, typer.Option("--word-timestamps", help="Times of every word.")] = False,
) -> None:
    """Send a file, watch it being transcribed, print the transcript."""
    options = {
        "language": language,
        "model": model,
        "task": kind.value,
        "prompt": prompt,
        "word_timestamps": "true" if word_timestamps else None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    raise typer.Exit(commands.transcribe(url, file, given, form=form, output=output))


@app.command()
def status(
    task_id: TaskId, url: Url = None, as_json: Annotated[bool, typer.Option("--json", help="All of it.")] = False
) -> None:
    """Show how far a task is."""
    commands.status(url, task_id, as_json=as_json)


@app.command()
def transcript(
    task_id: TaskId,
    url: Url = None,
    form: Annotated[str, typer.Option("--format", help="text, json, verbose_json, srt, vtt or tsv.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write it there; else it is printed.")] = None,
) -> None:
    """Print the transcript of a task, or what is ready of it."""
    commands.transcript(url, task_id, form=form, output=output)


@app.command("list")
def list_(
    url: Url = None,
    status: Annotated[str | None, typer.Option(help="Only those, for example: failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
) -> None:
    """List tasks, newest first."""
    commands.list_tasks(url, status=status, limit=limit)


@app.command()
def cancel(task_id: TaskId, url: Url = None) -> None:
    """Stop a task; what is transcribed already stays."""
    commands.cancel(url, task_id)


@app.command()
def retry(task_id: TaskId, url: Url = None) -> None:
    """Try the failed chunks of a task again."""
    commands.retry(url, task_id)


@app.command()
def delete(task_id: TaskId, url: Url = None) -> None:
    """Remove a task, its transcript and its audio."""
    commands.delete(url, task_id)


@app.command()
def demo(
    file: Annotated[Path | None, typer.Option(help="Audio to use; else the sample of the repository.")] = None,
) -> None:
    """Start the service in a temporary directory, transcribe a sample, stop, leave nothing behind."""
    from cli.demo import run  # noqa: PLC0415 - as above

    raise typer.Exit(run(file))


def main() -> None:
    """The console script. Whatever the user can mend is one sentence on stderr, never a stack trace."""
    try:
        app()
    except CommandError as error:
        Console(stderr=True).print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
