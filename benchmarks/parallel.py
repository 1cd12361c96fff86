"""One recording, transcribed by the whole product with one slot, with two, and in sequential mode: how much faster?

`python -m benchmarks.parallel [--audio FILE --reference TEXT] [--minutes 15] [--repeat 3] [--json]`

Each run starts the service in a temporary directory, lets it load the model, then takes the time from the accepted
upload to the completed task. Runs of the settings take turns, so that a busy moment of the machine hits all of them;
the figures are medians. `ratio` is the speed of two slots over that of one.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.recording import SAMPLE, Recording, repeated
from core.config import usable_cores
from tests.support.live import ROOT, Service, serving
from tests.support.wer import word_error_rate

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "slots_1": {"max_parallel_workers": 1, "batch_size": 8},  # told: no other sizes are tried meanwhile
    "slots_2": {"max_parallel_workers": 2, "batch_size": 8},
    "sequential": {"use_parallel_transcription": False},
}
WARM_UP = ROOT / "tests" / "data" / "librivox-0880.wav"
PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One recording transcribed once. ``others_cores``: what other programs kept busy meanwhile; should be near 0."""

    setting: str
    wall_seconds: float
    cpu_seconds: float
    realtime_factor: float
    wer: float
    chunks: int
    others_cores: float
    text: str

    @property
    def line(self) -> dict[str, Any]:
        """All but the text, rounded."""
        values = asdict(self)
        del values["text"]
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def main() -> None:
    """Print a line a run and a summary."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        reference = options.reference or options.audio.with_suffix(".txt")
        recording = repeated(options.audio, reference, minutes=options.minutes, folder=Path(name))
        runs: list[Run] = []
        for run in measure(recording, options.repeat, Path(name)):
            runs.append(run)
            print(json.dumps(run.line) if options.json else _sentence(run), flush=True)
    summary = summarise(runs, recording)
    print(json.dumps(summary) if options.json else _closing(summary))


def measure(recording: Recording, repeat: int, folder: Path) -> Iterator[Run]:
    """Every setting in turn, ``repeat`` times."""
    for turn in range(repeat):
        for setting, values in SETTINGS.items():
            directory = folder / f"{setting}-{turn}"
            directory.mkdir()
            with serving(directory, **values) as service:
                yield _run(service, setting, recording)


def summarise(runs: list[Run], recording: Recording) -> dict[str, Any]:
    """Medians per setting, and how they compare."""
    settings = {setting: _medians([run for run in runs if run.setting == setting]) for setting in SETTINGS}
    speed = {setting: figures["realtime_factor"] for setting, figures in settings.items()}
    return {
        "summary": True,
        "audio_seconds": round(recording.seconds, 1),
        "cores": usable_cores(),
        **settings,
        "ratio": round(speed["slots_2"] / speed["slots_1"], 3),
        "ratio_to_sequential": round(speed["slots_2"] / speed["sequential"], 3),
        "same_text": len({run.text for run in runs}) == 1,
    }


def _run(service: Service, setting: str, recording: Recording) -> Run:
    service.transcribe(WARM_UP, language="en")
    cpu, busy = service.cpu_seconds(), _busy_seconds()
    task_id = service.upload(recording.path, "recording.wav")
    start = time.monotonic()
    task = service.wait(task_id, PATIENCE_SECONDS, every_seconds=0.25)  # a poll costs the service milliseconds
    wall = time.monotonic() - start
    cpu, busy = service.cpu_seconds() - cpu, _busy_seconds() - busy
    assert task["status"] == "completed", task
    text = service.text(task_id)
    return Run(
        setting=setting,
        wall_seconds=wall,
        cpu_seconds=cpu,
        realtime_factor=recording.seconds / wall,
        wer=word_error_rate(recording.words, text),
        chunks=task["chunks_total"],
        others_cores=max(0.0, busy - cpu) / wall,
        text=text,
    )


def _busy_seconds() -> float:
    """Of all cores, whoever used them; what a hypervisor took away counts too."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _medians(runs: list[Run]) -> dict[str, float]:
    names = ("realtime_factor", "wall_seconds", "cpu_seconds", "wer", "others_cores")
    return {name: round(median(getattr(run, name) for run in runs), 4) for name in names}


def _sentence(run: Run) -> str:
    return (
        f"{run.setting:<12} {run.realtime_factor:6.1f} x real time  {run.wall_seconds:7.1f} s  "
        f"{run.cpu_seconds:7.1f} CPU s  WER {run.wer:.2%}  (others kept {run.others_cores:.2f} cores busy)"
    )


def _closing(summary: Mapping[str, Any]) -> str:
    return (
        f"\n{summary['audio_seconds']:.0f} s of audio on {summary['cores']} cores: "
        + ", ".join(f"{name} {summary[name]['realtime_factor']:.1f} x" for name in SETTINGS)
        + f"; ratio {summary['ratio']:.2f} (to sequential mode {summary['ratio_to_sequential']:.2f}); "
        + ("texts identical" if summary["same_text"] else "TEXTS DIFFER")
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel", description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=SAMPLE, help="any audio file (default: the sample)")
    parser.add_argument("--reference", type=Path, help="what is said in it (default: the file beside it, in .txt)")
    parser.add_argument("--minutes", type=float, default=15.0, help="length to reach by repeating (default: 15)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each setting (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
