"""What every comparison of speeds is asked: on which audio, how long, how often, and how to print."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.recording import SAMPLE, Recording, repeated


def parser_of(program: str, purpose: str) -> argparse.ArgumentParser:
    """``purpose``: a docstring, whose first line is shown."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=purpose.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=SAMPLE, help="any audio file (default: the sample)")
    parser.add_argument("--reference", type=Path, help="what is said in it (default: the file beside it, in .txt)")
    parser.add_argument("--language", default="en", help="the language of the audio (default: en)")
    parser.add_argument("--model", default="base", help="the model (default: base)")
    parser.add_argument("--minutes", type=float, default=15.0, help="length to reach by repeating (default: 15)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser


@contextmanager
def recorded(options: argparse.Namespace) -> Iterator[tuple[Recording, Path]]:
    """The recording, and the folder that it lies in for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        folder = Path(name)
        reference = options.reference or options.audio.with_suffix(".txt")
        yield repeated(options.audio, reference, minutes=options.minutes, folder=folder), folder
