"""One small figure of what three benchmarks have found: speed against wrong words, and speed against slots.

`python -m benchmarks.plot --engines FILE --curve FILE --scaling FILE -o PNG`

Each file holds what the benchmark of that name printed with `--json`; its last summary is drawn. Contenders stand
beside the curve of beams only where both heard as much audio on as many cores. The extra `plot` has the library.
"""

import argparse
import importlib.util
import json
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

SIZE_INCHES = (11, 4)
DOTS_AN_INCH = 90  # with SIZE_INCHES, about 50 kB
OURS, PEER, FAINT = "#0b6e99", "#b3541e", "#8a8a8a"
SHAPES = "osD^vPX<>"  # of marks, in turn
Summary = Mapping[str, Any]
Pairs = list[tuple[int, float]]


def main() -> None:
    """Draw it."""
    options = _options()
    if importlib.util.find_spec("matplotlib") is None:
        raise SystemExit("Drawing needs the extra `plot`: .venv/bin/python -m pip install -e '.[plot]'.")
    engines, curve, scaling = (
        summary_in(getattr(options, name).read_text(encoding="utf-8"), name, holds)
        for name, holds in (("engines", "contenders"), ("curve", "points"), ("scaling", "slots"))
    )
    check_alike(engines, curve)
    draw(engines, curve, scaling, options.output)


def summary_in(text: str, benchmark: str, holds: str) -> dict[str, Any]:
    """The last line that is a summary with ``holds`` in it. Ends the program where there is none."""
    for line in reversed(text.splitlines()):
        found = _object(line)
        if found.get("summary") and holds in found:
            return found
    raise SystemExit(f"There is no summary in the file of `python -m benchmarks.{benchmark}`: it was to print --json.")


def _object(line: str) -> dict[str, Any]:
    """What a line holds; nothing where it is no JSON object, such as a warning in between."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def check_alike(engines: Summary, curve: Summary) -> None:
    """They share an axis, so they have to share what was heard and on how much. Ends the program where they do not."""
    heard = [(summary["audio_seconds"], summary["cores"]) for summary in (engines, curve)]
    if heard[0] != heard[1]:
        told = " and ".join(f"{seconds:g} s on {cores} cores" for seconds, cores in heard)
        raise SystemExit(f"The files of engines and curve do not compare: {told}.")


def places(engines: Summary) -> dict[str, tuple[float, float, bool]]:
    """Times real time and wrong words in per cent by contender, and whether it is ours: those have ratios."""
    figures = engines["contenders"].items()
    return {name: (found["realtime_factor"], 100 * found["wer"], name in engines["ratios"]) for name, found in figures}


def beams(curve: Summary, *, fallback: bool) -> dict[int, tuple[float, float]]:
    """Times real time and wrong words in per cent by beam, the narrowest first."""
    points = {point["beam"]: point for point in curve["points"] if point["fallback"] is fallback}
    return {beam: (point["realtime_factor"], 100 * point["wer"]) for beam, point in sorted(points.items())}


def speeds(scaling: Summary) -> Pairs:
    """Slots and times real time, the fewest slots first."""
    return sorted((int(slots), found["realtime_factor"]) for slots, found in scaling["slots"].items())


def ideal(measured: Pairs, cores: int) -> Pairs:
    """The same speed for each slot as with the fewest, up to the cores: slots beyond them cannot be faster."""
    (fewest, alone), (most, _) = measured[0], measured[-1]
    bend = min(max(cores, fewest), most)
    return [(slots, alone * min(slots, cores) / min(fewest, cores)) for slots in sorted({fewest, bend, most})]


def draw(engines: Summary, curve: Summary, scaling: Summary, path: Path) -> None:
    """Both halves, as a PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_words(left, engines, curve)
    _draw_slots(right, scaling)
    left.set_xlim(left=0)
    left.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    right.set_ylim(bottom=0)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    for half in (left, right):
        half.spines[["top", "right"]].set_visible(False)
        half.grid(alpha=0.25)
    figure.savefig(path, format="png", dpi=DOTS_AN_INCH)


def _draw_words(half: Any, engines: Summary, curve: Summary) -> None:
    for ours, color in ((True, OURS), (False, PEER)):
        some = {name: found[:2] for name, found in places(engines).items() if found[2] is ours}
        for (name, place), shape in zip(some.items(), cycle(SHAPES), strict=False):
            half.plot(*place, shape, color=color, alpha=0.8, label=name)
    for fallback, line, mark in ((True, "-", "on"), (False, ":", "off")):
        found = beams(curve, fallback=fallback)
        half.plot(*zip(*found.values(), strict=True), line, marker=".", color=FAINT, label=f"beams, fallback {mark}")
        for beam, place in found.items() if fallback else ():
            half.annotate(str(beam), place, xytext=(2, -11), textcoords="offset points", fontsize=8, color=FAINT)
    half.set(xlabel="x real time", ylabel="word error rate, %", title=_title(engines))


def _draw_slots(half: Any, scaling: Summary) -> None:
    measured = speeds(scaling)
    half.plot(*zip(*ideal(measured, scaling["cores"]), strict=True), "--", color=FAINT, label="ideal")
    half.plot(*zip(*measured, strict=True), "o-", color=OURS, label="measured")
    half.set(xlabel="slots", ylabel="x real time", title=_title(scaling), xticks=[slots for slots, _ in measured])


def _title(summary: Summary) -> str:
    return f"{summary['audio_seconds'] / 60:.0f} min of audio, {summary['cores']} cores"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__.splitlines()[0])
    for name in ("engines", "curve", "scaling"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"what `benchmarks.{name}` printed, --json")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the PNG")
    return parser.parse_args()


if __name__ == "__main__":
    main()
