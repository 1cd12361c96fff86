"""The progress line."""

import io

import pytest
from rich.console import Console

from cli.progress import line, reporting
from tests.unit.cli.bodies import COMPLETED, PARTIAL, RUNNING, task


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (task(), "queued"),
        (task(status="preparing"), "preparing 0%"),
        (task(status="processing", chunks_completed=2, progress=0.1), "processing 2/? chunks 10%"),
        (RUNNING, "processing 3/9 chunks 33% 41.2x real time (about 12 s to go)"),
        (COMPLETED, "completed 9/9 chunks 100% 40.0x real time"),
        (PARTIAL, "partial 9/9 chunks (1 failed) 100% 40.0x real time"),
    ],
)
def test_line_says_what_is_known_and_nothing_else(body, expected):
    """Unknown figures are left out, not shown as zero."""
    assert line(body) == expected


def test_line_never_rounds_up_to_the_end():
    """99.9 % is not done."""
    assert "99%" in line(RUNNING | {"progress": 0.999})


def test_a_log_gets_one_line_a_change():
    """Polls that brought nothing new leave no line, even though the estimates moved."""
    text = io.StringIO()
    with reporting(Console(file=text, width=20)) as report:
        for body in (task(), task(), RUNNING, RUNNING | {"eta_seconds": 11.0}, COMPLETED):
            report(body)
    assert text.getvalue().splitlines() == [line(task()), line(RUNNING), line(COMPLETED)]


def test_a_terminal_gets_the_line_in_place():
    """Nothing of the display stays behind, and the last state was shown."""
    text = io.StringIO()
    with reporting(Console(file=text, force_terminal=True, width=100)) as report:
        report(RUNNING)
    assert text.getvalue().count("\n") <= 1
