"""One run of a contender, in a process of its own.

On the processor, whatever else there is: the peers run there, too, and a decoder that is named in the settings runs
nowhere else.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.engines.contenders import CONTENDERS
from benchmarks.private.processes import environment
from benchmarks.recording import Recording
from tests.support.live import ROOT
from tests.support.wer import word_error_rate

WARM_UP = ROOT / "tests" / "data" / "librivox-0880.wav"
FIGURES = ("realtime_factor", "wer", "wall_seconds", "cpu_seconds", "peak_mb")


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is to be heard, and by what. ``fallback``: whether ours decodes doubtful windows again."""

    model: str = "base"
    language: str = "en"
    fallback: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One contender, once. ``peak_mb``: of its process, as resident memory."""

    contender: str
    wall_seconds: float
    cpu_seconds: float
    realtime_factor: float
    wer: float
    peak_mb: float

    @property
    def line(self) -> dict[str, Any]:
        """Rounded."""
        figures = {name: round(getattr(self, name), 4) for name in FIGURES}
        return {"contender": self.contender, **figures}


def attempt(name: str, recording: Recording, subject: Subject, folder: Path, **changes: object) -> Run:
    """``changes``: further settings of ours.

    Ends the program where the contender fails, with what it said, or where it ran with other settings than it was to.
    """
    settings = settings_of(name, folder, **changes)
    found = _found(name, recording, subject, settings)
    if odd := misread(settings, found["settings"]):
        raise SystemExit(f"{name} was not measured as it was to be; these settings were others: {', '.join(odd)}.")
    return Run(
        contender=name,
        wall_seconds=found["wall_seconds"],
        cpu_seconds=found["cpu_seconds"],
        realtime_factor=recording.seconds / found["wall_seconds"],
        wer=word_error_rate(recording.words, found["text"]),
        peak_mb=found["peak_bytes"] / 1e6,
    )


def settings_of(name: str, folder: Path, **changes: object) -> dict[str, object]:
    """Of the program, for a run of this contender."""
    models = os.environ.get("MODELS_DIR", str(ROOT / "models"))
    settings: dict[str, object] = {"models_dir": models, "data_dir": folder, "device": "cpu"}
    own = CONTENDERS[name].settings if CONTENDERS[name].ours else {}
    return {**settings, **own, **changes}


def misread(given: Mapping[str, object], read: Mapping[str, object]) -> list[str]:
    """The settings that a run has read otherwise than they were given. ``read``: all of them, as JSON has them."""
    return [name for name, value in given.items() if str(read.get(name)) != str(value)]


def _found(name: str, recording: Recording, subject: Subject, settings: Mapping[str, object]) -> dict[str, Any]:
    """What the process of its own has printed."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    asked = [name, subject.model, subject.language, "yes" if subject.fallback else "no"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.engines.one", *asked, str(WARM_UP), str(recording.path)],
        env=environment(settings, PYTHONPATH=path),
        cwd=Path(str(settings["data_dir"])),
        check=False,
        capture_output=True,  # peers talk a lot
    )
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr.decode(errors='replace')[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def medians(runs: Sequence[Run]) -> dict[str, float]:
    """Of each figure, rounded."""
    return {name: round(median(getattr(run, name) for run in runs), 4) for name in FIGURES}
