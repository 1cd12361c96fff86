"""How fast is this engine beside its peers, with the same weights on the same audio, and how many words are wrong?

`python -m benchmarks.engines [--audio FILE --reference TEXT] [--minutes 15] [--repeat 3] [--only NAME …] [--json]`

Each run is a process of its own with the machine for itself; the contenders take turns, and figures are medians. A
file goes in and its text comes out: decoding, cutting and joining count, loading does not. All run on the processor. A
``ratio`` is the speed of one of our modes over that of a peer: for faster-whisper's pipeline, over that of its best
setting. The summary's own ratios are those of the default mode. Peers that are not installed sit out; the extra `peers`
has them.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ending import end_in_order
from benchmarks.engines.contenders import BATCHED, CONTENDERS, DEFAULT_MODE
from benchmarks.engines.options import parser_of, recorded
from benchmarks.engines.trial import Run, Subject, attempt, medians
from benchmarks.recording import Recording
from core.config import usable_cores

PEERS = {
    "faster_whisper": ("faster-whisper",),
    "faster_whisper_batched": BATCHED,
    "openai_whisper": ("openai-whisper",),
    "whisper_cpp": ("whisper-cpp",),
}
WIDTH = max(map(len, CONTENDERS))  # of a name, in characters


def main() -> None:
    """Print a line a run and a summary."""
    options = _options()
    end_in_order()
    names = [name for name in options.only or CONTENDERS if not CONTENDERS[name].missing]
    runs: list[Run] = []
    with recorded(options) as (recording, folder):
        for run in measure(names, recording, options, folder):
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
        f"{run.contender:<{WIDTH}} {run.realtime_factor:6.1f} x real time   WER {run.wer:.2%}   "
        f"{run.wall_seconds:7.1f} s   {run.cpu_seconds:7.1f} CPU s   {run.peak_mb:6.0f} MB"
    )


def _closing(summary: Mapping[str, Any]) -> str:
    lines = [f"\n{summary['audio_seconds']:.0f} s of audio on {summary['cores']} cores; speed over that of:"]
    for mode, ratios in summary["ratios"].items():
        lines.append(f"  {mode:<{WIDTH}} " + ", ".join(f"{peer} {value:.2f}" for peer, value in ratios.items()))
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = parser_of("benchmarks.engines", __doc__)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), metavar="NAME", help=", ".join(CONTENDERS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
