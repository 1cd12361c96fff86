"""Gaps in a file's clock."""

from dataclasses import dataclass
from fractions import Fraction

import pytest

from core.audio.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A tenth of a second at 8 kHz, starting at ``pts`` milliseconds."""

    pts: int | None
    samples: int = 800
    sample_rate: int = 8_000


@pytest.mark.parametrize(
    ("stamps", "gaps"),
    [
        ([0, 100, 200], [0, 0, 0]),
        ([5_000, 5_100], [0, 0]),
        ([0, 100, 1_200, 1_300], [0, 0, 1.0, 0]),
        ([0, 100, 250, 300], [0, 0, 0, 0]),
        ([0, 500, 100, 200], [0, 0.4, 0, 0]),
        ([0, 1_000_000, 1_000_100], [0, 0, 0]),
        ([0, None, None, 800], [0, 0, 0, 0.5]),
        ([None, None], [0, 0]),
        ([0, 180, 360], [0, 0, 0]),
        ([0, 180, 360, 540], [0, 0, 0, 0.24]),
    ],
    ids=["steady", "starts late", "gap", "jitter", "back", "absurd", "few stamps", "none", "slow", "too slow"],
)
def test_only_gaps_that_can_be_believed_are_filled(stamps: list[int | None], gaps: list[float]) -> None:
    """0.2 s to 10 min ahead of what was decoded; a step back or a leap starts a new count."""
    timeline = Timeline(Fraction(1, 1_000))
    assert [timeline.gap(Frame(pts=stamp)) for stamp in stamps] == pytest.approx(gaps)
