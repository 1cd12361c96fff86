"""Keeps the decoded audio in step with the file's own clock where frames are missing.

Damage, a telephone system that sends nothing while nobody talks, or a paused recorder leave gaps in the time stamps.
Left out, they would shift every later word; so they come back as silence. Runs in the decoder's child.
"""

from fractions import Fraction
from typing import Any

_LEAST_SECONDS = 0.2  # less is rounding and jitter
_MOST_SECONDS = 600.0  # more is a broken or restarted clock


class Timeline:
    """Compares time stamps with what was decoded since the last one that was believed. ``tick``: the seconds of one, if
    the file says so (asked of every frame it would cost more than all the rest)."""

    def __init__(self, tick: Fraction | None) -> None:
        self._tick = float(tick) if tick else None
        self._expected: float | None = None

    def gap(self, frame: Any) -> float:
        """Seconds that are missing in front of ``frame``; 0 where there is no gap to believe."""
        duration = frame.samples / frame.sample_rate
        stamp = frame.pts
        if stamp is None or self._tick is None:
            self._expected = None if self._expected is None else self._expected + duration
            return 0.0
        start = stamp * self._tick
        missing = 0.0 if self._expected is None else start - self._expected
        believed = _LEAST_SECONDS <= missing <= _MOST_SECONDS
        # Small differences are not forgotten, so that a clock that runs slow is noticed once it is late by enough.
        base = start if self._expected is None or not 0 <= missing < _LEAST_SECONDS else self._expected
        self._expected = base + duration
        return missing if believed else 0.0
