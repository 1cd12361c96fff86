"""How much faster is the engine with more slots, and how much more memory do they take?

`python -m benchmarks.scaling [--audio FILE --reference TEXT] [--minutes 15] [--slots 1 2 4 …] [--repeat 3] [--json]`

Each run is a process of its own with the machine for itself: a file is decoded, cut and transcribed, loading does not
count. By default slots are doubled up to the cores, and to 4 at least, for their memory. ``efficiency``: the speed over
that of one slot, by core that the slots can use. Runs take turns. Figures are medians; ratios are medians of those of
each turn, whose runs follow each other: a machine that slows down is as slow for all of them.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ending import end_in_order
from benchmarks.engines.contenders import CONTENDERS
from benchmarks.engines.trial import Run, Subject, attempt, medians
from benchmarks.recording import SAMPLE, repeated
from core.config import usable_cores

LEAST_TOP = 4  # slots
MODES = [name for name, contender in CONTENDERS.items() if contender.ours and not contender.missing]


def main() -> None:
    """Print a line a run and a summary."""
    options = _options()
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as folder:
        reference = options.reference or options.audio.with_suffix(".txt")
        recording = repeated(options.audio, reference, minutes=options.minutes, folder=Path(folder))
        runs: dict[int, list[Run]] = {slots: [] for slots in options.slots}
        for slots in _turns(options):
            subject = Subject(model=options.model, language=options.language)
            run = attempt(options.mode, recording, subject, Path(folder), max_parallel_workers=slots)
            runs[slots].append(run)
            print(json.dumps({"slots": slots, **run.line}) if options.json else _sentence(slots, run), flush=True)
    summary = summarise(runs, recording.seconds, usable_cores())
    print(json.dumps(summary) if options.json else _closing(summary))


def ladder(top: int) -> list[int]:
    """1, 2, 4, … up to ``top``, which is one of them."""
    steps = [1]
    while steps[-1] < top:
        steps.append(min(2 * steps[-1], top))
    return steps


def summarise(runs: Mapping[int, Sequence[Run]], audio_seconds: float, usable: int) -> dict[str, Any]:
    """Medians by number of slots; ``speed`` and ``memory`` are over the fewest, in the same turn."""
    first, alone = next(iter(sorted(runs.items())))
    lines = {}
    for slots, each in sorted(runs.items()):
        speed = _over(each, alone, "realtime_factor")
        share = min(slots, usable) / min(first, usable)
        ratios = {"speed": speed, "efficiency": speed / share, "memory": _over(each, alone, "peak_mb")}
        lines[str(slots)] = medians(each) | {name: round(value, 3) for name, value in ratios.items()}
    return {"summary": True, "audio_seconds": round(audio_seconds, 1), "cores": usable, "slots": lines}


def _over(each: Sequence[Run], alone: Sequence[Run], figure: str) -> float:
    ratios = (getattr(one, figure) / getattr(other, figure) for one, other in zip(each, alone, strict=True))
    return float(median(ratios))


def _turns(options: argparse.Namespace) -> Iterator[int]:
    for _ in range(options.repeat):
        yield from dict.fromkeys(options.slots)


def _sentence(slots: int, run: Run) -> str:
    return f"{slots:3} slots {run.realtime_factor:6.1f} x real time   WER {run.wer:.2%}   {run.peak_mb:6.0f} MB"


def _closing(summary: Mapping[str, Any]) -> str:
    lines = [f"\n{summary['audio_seconds']:.0f} s of audio on {summary['cores']} cores, over the fewest slots:"]
    for slots, found in summary["slots"].items():
        figures = f"speed {found['speed']:.2f}, efficiency {found['efficiency']:.0%}, memory {found['memory']:.2f}"
        lines.append(f"{slots:>3} slots {found['realtime_factor']:6.1f} x real time: {figures}")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=SAMPLE, help="any audio file (default: the sample)")
    parser.add_argument("--reference", type=Path, help="what is said in it (default: the file beside it, in .txt)")
    parser.add_argument("--language", default="en", help="the language of the audio (default: en)")
    parser.add_argument("--model", default="base", help="the model (default: base)")
    parser.add_argument("--mode", default="parascribe", choices=MODES, help="of ours (default: parascribe)")
    parser.add_argument("--minutes", type=float, default=15.0, help="length to reach by repeating (default: 15)")
    top = max(LEAST_TOP, usable_cores())
    parser.add_argument("--slots", type=int, nargs="+", default=ladder(top), help="how many (default: 1, 2, 4, …)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
