"""Finding the language of a task from as few windows as it takes."""

from collections.abc import Iterator

import pytest

from core.engines.agreement import Votes, agree
from core.models import SAMPLE_RATE

LONG, BRIEF = 20 * SAMPLE_RATE, 3 * SAMPLE_RATE


class Windows:
    """Gives windows one by one and counts how many were asked for."""

    def __init__(self, *windows: tuple[int, Votes]) -> None:
        self._windows = windows
        self.heard = 0

    def __iter__(self) -> Iterator[tuple[int, Votes]]:
        for window in self._windows:
            self.heard += 1
            yield window


def test_a_clear_long_window_is_enough() -> None:
    """The others are not even encoded."""
    windows = Windows((LONG, {"en": 0.98}), (LONG, {"de": 1.0}), (LONG, {"de": 1.0}))
    assert agree(windows).code == "en"
    assert windows.heard == 1


@pytest.mark.parametrize("first", [(LONG, {"en": 0.6, "de": 0.4}), (BRIEF, {"en": 0.99, "de": 0.01})])
def test_doubt_or_a_brief_window_hears_on(first: tuple[int, Votes]) -> None:
    """Neither an unsure window nor a greeting decides: those that follow outweigh it."""
    windows = Windows(first, (LONG, {"de": 0.8, "en": 0.2}), (LONG, {"de": 0.8, "en": 0.2}))
    assert agree(windows).code == "de"
    assert windows.heard == 3


def test_it_stops_as_soon_as_it_is_sure() -> None:
    """Two brief windows that agree make one long one."""
    windows = Windows((BRIEF, {"en": 0.95}), (LONG, {"en": 0.99}), (LONG, {"en": 0.99}))
    assert agree(windows).code == "en"
    assert windows.heard == 2


def test_the_probability_is_the_mean_weighted_by_length() -> None:
    """Of what was heard."""
    found = agree([(LONG, {"en": 0.5}), (2 * LONG, {"en": 0.8})])
    assert found.probability == pytest.approx(0.7)
