"""How fast is this engine beside its peers, with the same weights on the same audio, and how many words are wrong?

`python -m benchmarks.engines [--audio FILE --reference TEXT] [--minutes 15] [--repeat 3] [--only NAME …] [--json]`

Each run is a process of its own with the machine for itself; the contenders take turns, and figures are medians. A
file goes in and its text comes out: decoding, cutting and joining count, loading does not. A ``ratio`` is the speed of
one of our modes over that of a peer: for faster-whisper's pipeline, over that of its best setting. The summary's own
ratios are those of the default mode. Peers that are not installed sit out; the extra `peers` has them.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ending import end_in_order
from benchmarks.engines.contenders import BATCHED, CONTENDERS
from benchmarks.engines.trial import Run, Subject, attempt, medians
from benchmarks.recording import SAMPLE, Recording, repeated
from core.config import usable_cores

PEERS = {
    "faster_whisper": ("faster-whisper",),
    "faster_whisper_batched": BATCHED,
    "openai_whisper": ("openai-whisper",),
    "whisper_cpp": ("whisper-cpp",),
}
DEFAULT_MODE = "parascribe"


def main() -> None:
    """Print a line a run and a summary."""
    options = _options()
    end_in_order()
    names = [name for name in options.only or CONTENDERS if not CONTENDERS[name].missing]
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as folder:
        reference = options.reference or options.audio.with_suffix(".txt")
        recording = repeated(options.audio, reference, minutes=options.minutes, folder=Path(folder))
        runs: list[Run] = []
        for run in measure(names, recording, options, Path(folder)):
            runs.append(run)
            print(json.dumps(run.line) if options.json else _sentence(run), flush=True)
    summary = summarise(runs, recording)
    print(json.dumps(summary) if options.json else _closing(summary))


def measure(names: Sequence[str], recording: Recording, options: argparse.Namespace, folder: Path) -> Iterator[Run]:
    """All contenders in turn, again and again."""
    for _ in range(options.repeat):
        for name in names:
            yield attempt(name, recording, Subject(model=options.model, language=options.language), folder)


def summarise(runs: Sequence[Run], recording: Recording) -> dict[str, Any]:
    """Medians by contender, and how ours compare."""
    names = list(dict.fromkeys(run.contender for run in runs))
    found = {name: medians([run for run in runs if run.contender == name]) for name in names}
    ratios = {name: _ratios(name, found) for name in names if CONTENDERS[name].ours}
    return {
        "summary": True,
        "audio_seconds": round(recording.seconds, 1),
        "cores": usable_cores(),
        "contenders": found,
        "ratios": ratios,
        **{f"ratio_{peer}": value for peer, value in ratios.get(DEFAULT_MODE, {}).items()},
    }


def _ratios(mode: str, figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    found = {}
    for peer, names in PEERS.items():
        speeds = [figures[name]["realtime_factor"] for name in names if name in figures]
        if speeds:
            found[peer] = round(figures[mode]["realtime_factor"] / max(speeds), 2)
    return found


def _sentence(run: Run) -> str:
    return (
        f"{run.contender:<28} {run.realtime_factor:6.1f} x real time   WER {run.wer:.2%}   {run.wall_seconds:7.1f} s   "
        f"{run.cpu_seconds:7.1f} CPU s   {run.peak_mb:6.0f} MB"
    )


def _closing(summary: Mapping[str, Any]) -> str:
    lines = [f"\n{summary['audio_seconds']:.0f} s of audio on {summary['cores']} cores; speed over that of:"]
    for mode, ratios in summary["ratios"].items():
        lines.append(f"  {mode:<28} " + ", ".join(f"{peer} {value:.2f}" for peer, value in ratios.items()))
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=SAMPLE, help="any audio file (default: the sample)")
    parser.add_argument("--reference", type=Path, help="what is said in it (default: the file beside it, in .txt)")
    parser.add_argument("--language", default="en", help="the language of the audio (default: en)")
    parser.add_argument("--model", default="base", help="the model (default: base)")
    parser.add_argument("--minutes", type=float, default=15.0, help="length to reach by repeating (default: 15)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), metavar="NAME", help=", ".join(CONTENDERS))
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
