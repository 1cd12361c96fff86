"""How many words fewer are wrong for how much less speed: each width of the search, with and without a second look?

`python -m benchmarks.curve [--audio FILE --reference TEXT] [--minutes 15] [--repeat 3] [--beams 1 2 3 4 5] [--json]`

A point is a beam with the fallback on or off. On: the quality gate has doubtful windows decoded again, as the product
does. Off: the first text of each window is kept, whatever it is. The rest is the default mode. Each run is a process of
its own with the machine for itself, as in `benchmarks.engines`; points take turns, figures are medians.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ending import end_in_order
from benchmarks.engines.contenders import DEFAULT_MODE
from benchmarks.engines.options import parser_of, recorded
from benchmarks.engines.trial import Run, Subject, attempt, medians
from benchmarks.recording import Recording
from core.config import usable_cores

BEAMS = (1, 2, 3, 4, 5)
WIDEST = 10  # that the program's settings allow


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One way to decode. ``beam``: hypotheses kept."""

    beam: int
    fallback: bool


def main() -> None:
    """Print a line a run and a summary."""
    options = _options()
    end_in_order()
    points = points_of(options.beams)
    runs: dict[Point, list[Run]] = {point: [] for point in points}
    with recorded(options) as (recording, folder):
        for point, run in measure(points, recording, options, folder):
            runs[point].append(run)
            line = asdict(point) | run.line
            print(json.dumps(line) if options.json else _figures(line), flush=True)
    summary = summarise(runs, recording.seconds, usable_cores())
    print(json.dumps(summary) if options.json else _closing(summary))


def points_of(beams: Sequence[int]) -> list[Point]:
    """Each beam once, with the fallback and without it."""
    return [Point(beam=beam, fallback=fallback) for beam in dict.fromkeys(beams) for fallback in (True, False)]


def measure(
    points: Sequence[Point], recording: Recording, options: argparse.Namespace, folder: Path
) -> Iterator[tuple[Point, Run]]:
    """All points in turn, again and again."""
    for _ in range(options.repeat):
        for point in points:
            subject = Subject(model=options.model, language=options.language, fallback=point.fallback)
            yield point, attempt(DEFAULT_MODE, recording, subject, folder, beam_size=point.beam)


def summarise(runs: Mapping[Point, Sequence[Run]], audio_seconds: float, usable: int) -> dict[str, Any]:
    """Medians by point, with the fallback first, beams from the narrowest on."""
    ordered = sorted(runs.items(), key=lambda item: (not item[0].fallback, item[0].beam))
    points = [asdict(point) | medians(each) for point, each in ordered]
    return {"summary": True, "audio_seconds": round(audio_seconds, 1), "cores": usable, "points": points}


def _closing(summary: Mapping[str, Any]) -> str:
    opening = f"\n{summary['audio_seconds']:.0f} s of audio on {summary['cores']} cores, medians:"
    return "\n".join([opening, *map(_figures, summary["points"])])


def _figures(point: Mapping[str, Any]) -> str:
    name = f"beam {point['beam']:2}, fallback {'on ' if point['fallback'] else 'off'}"
    return f"{name} {point['realtime_factor']:6.1f} x real time   WER {point['wer']:.2%}"


def _options() -> argparse.Namespace:
    parser = parser_of("benchmarks.curve", __doc__)
    widths = range(1, WIDEST + 1)
    parser.add_argument(
        "--beams", type=int, nargs="+", choices=widths, default=BEAMS, metavar="N", help="which (default: 1 2 3 4 5)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
