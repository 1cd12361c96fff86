"""One run of a contender, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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
    """What is to be heard, and by what."""

    model: str = "base"
    language: str = "en"


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
    """``changes``: further settings of ours. Ends the program where the contender fails, with what it said."""
    settings: dict[str, object] = {"models_dir": os.environ.get("MODELS_DIR", str(ROOT / "models")), "data_dir": folder}
    if CONTENDERS[name].ours:
        settings |= CONTENDERS[name].settings
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-P", "-m", "benchmarks.engines.one", name, subject.model, subject.language]
    done = subprocess.run(
        [*command, str(WARM_UP), str(recording.path)],
        env=environment(settings | changes, PYTHONPATH=path),
        cwd=folder,
        check=False,
        capture_output=True,  # peers talk a lot
    )
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr.decode(errors='replace')[-3000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Run(
        contender=name,
        wall_seconds=found["wall_seconds"],
        cpu_seconds=found["cpu_seconds"],
        realtime_factor=recording.seconds / found["wall_seconds"],
        wer=word_error_rate(recording.words, found["text"]),
        peak_mb=found["peak_bytes"] / 1e6,
    )


def medians(runs: Sequence[Run]) -> dict[str, float]:
    """Of each figure, rounded."""
    return {name: round(median(getattr(run, name) for run in runs), 4) for name in FIGURES}
