"""Checking a model's weights against their published SHA-256, once per file rather than at every start."""

import hashlib
import json
import os
from pathlib import Path

from core.errors import ModelCorruptError


def verify(weights: Path, expected: str, marker: Path) -> None:
    """Return if ``weights`` has the SHA-256 ``expected``; raise ``ModelCorruptError`` otherwise.

    ``marker``: a small file that remembers which file was found right (by path, size and time of change), so that the
    next start need not read it all. Where it cannot be written the weights are simply read again next time.
    """
    seen = _fingerprint(weights, expected)
    if _remembered(marker) == seen:
        return
    actual = _sha256(weights)
    if actual != expected:
        raise ModelCorruptError(
            f"The weights {weights} are not the published ones (SHA-256 {actual[:12]}…, expected {expected[:12]}…). "
            f"Delete the folder {weights.parent} and start again, or, if these are your own weights, rename the folder."
        )
    _remember(marker, seen)


def _fingerprint(weights: Path, expected: str) -> dict[str, object]:
    stat = weights.stat()
    return {
        "path": str(weights.absolute()),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "sha256": expected,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(marker: Path) -> object:
    try:
        return json.loads(marker.read_text())
    except (OSError, ValueError):
        return None


def _remember(marker: Path, seen: dict[str, object]) -> None:
    scratch = marker.with_name(f"{marker.name}.{os.getpid()}")
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(seen))
        scratch.replace(marker)
    except OSError:
        return
