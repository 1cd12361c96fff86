"""What a measurement on this machine holds for: with another processor, or another version, it is made anew."""

import importlib.metadata
import platform
from pathlib import Path


def versions() -> list[str]:
    """Of what transcribes, and of this program."""
    return [f"{name} {importlib.metadata.version(name)}" for name in ("ctranslate2", "openvino", "parascribe")]


def processor() -> str:
    """Its model and what it can do, as the kernel tells (Linux); elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features")
    return " ".join(next((line for line in lines if line.startswith(name)), "") for name in wanted)
