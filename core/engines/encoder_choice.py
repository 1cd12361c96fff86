"""Which encoder is the fastest on this machine for a model: measured once, and remembered.

Measured in a process of its own: what it loads is not kept, and what takes it down takes nobody with it.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from core.engines.circumstances import processor as _processor
from core.engines.circumstances import versions
from core.engines.model_files import ModelFiles

log = structlog.get_logger()

LONGEST_SECONDS = 300.0  # the largest model takes one window a minute on a slow core
_ROOT = Path(__file__).parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from core.engines.encoder_trial import main; main()"


def fastest_encoder(files: ModelFiles, compute_type: str, memory: Path | None) -> str:
    """By seconds for one window on one thread. ``memory``: the folder in which that is remembered; None: nowhere.

    Where it could not be measured it is OpenVINO's, which runs everywhere and is never far behind.
    """
    seconds = _remembered(files, compute_type, memory)
    if not seconds:
        seconds = _measured(files, compute_type)
        _remember(files, compute_type, memory, seconds)
    return min(seconds, key=lambda name: seconds[name], default="openvino")


def _measured(files: ModelFiles, compute_type: str) -> Mapping[str, float]:
    command = [sys.executable, "-P", "-c", _PROGRAM, str(_ROOT), str(files.path), compute_type]
    held, alive = os.pipe()  # the child ends when this end of its standard input does: with us
    try:
        done = subprocess.run(command, stdin=held, stdout=subprocess.PIPE, timeout=LONGEST_SECONDS, check=True)
        seconds: Mapping[str, float] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.warning("encoders not compared", model=files.name, reason=str(error))
        return {}
    finally:
        os.close(held)
        os.close(alive)
    log.info("encoders compared", model=files.name, seconds_a_window=seconds)
    return seconds


def _remembered(files: ModelFiles, compute_type: str, memory: Path | None) -> Mapping[str, float]:
    if memory is None:
        return {}
    try:
        found = json.loads(_place(files, memory).read_text(encoding="utf-8"))
        return dict(found["seconds"]) if found["of"] == _circumstances(files, compute_type) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remember(files: ModelFiles, compute_type: str, memory: Path | None, seconds: Mapping[str, float]) -> None:
    if memory is None or not seconds:
        return
    text = json.dumps({"of": _circumstances(files, compute_type), "seconds": seconds})
    try:
        _place(files, memory).write_text(text, encoding="utf-8")
    except OSError as error:
        log.info("the comparison of encoders is not kept", reason=str(error))


def _place(files: ModelFiles, memory: Path) -> Path:
    return memory / f"encoder-{files.weights.stat().st_size}.json"


def _circumstances(files: ModelFiles, compute_type: str) -> list[str]:
    """What the outcome holds for: another processor or version is measured anew."""
    return [str(files.weights.stat().st_size), compute_type, platform.machine(), _processor(), *versions()]
