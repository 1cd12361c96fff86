"""The figures that are computed on reading."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.figures import pace, seconds, success_rate
from core.models import Coverage, CutPlan, Options, Task, Upload
from core.states import TaskStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(
    id="t",
    status=TaskStatus.PROCESSING,
    filename="a.wav",
    options=Options(model="base"),
    word_timestamps=False,
    max_parallel_workers=None,
    plan=CutPlan(),
    upload=Upload(key="uploads/t", size_bytes=1, sha256="0"),
    created_at=START,
    started_at=START,
)


def after(span: float) -> datetime:
    """That many seconds after the start."""
    return START + timedelta(seconds=span)


def test_seconds_are_exact_to_the_millisecond() -> None:
    """16 samples are a millisecond."""
    assert seconds(16) == 0.001
    assert seconds(24 * 3600 * 16_000 + 8) == 86_400.0
    assert seconds(24 * 3600 * 16_000 + 16) == 86_400.001


def test_success_rate_counts_only_what_ended() -> None:
    """Nothing ended: no rate. Otherwise completed among completed and failed."""
    assert success_rate(TASK) is None
    assert success_rate(replace(TASK, chunks_completed=3, chunks_failed=1, chunks_total=10)) == 0.75
    assert success_rate(replace(TASK, chunks_failed=2)) == 0.0


def test_nothing_is_estimated_before_anything_is_done() -> None:
    """Neither silence alone nor a task that nobody started tells a pace."""
    silent = replace(TASK, coverage=Coverage(silent_samples=16_000), duration_samples=32_000)
    assert pace(silent, after(5)).eta_seconds is None
    assert pace(replace(silent, started_at=None), after(5)).realtime_factor is None


def test_eta_is_the_rest_at_the_pace_so_far() -> None:
    """60 s of audio in 10 s is 6 x; the other 60 s take 10 s more."""
    done = Coverage(transcribed_samples=48 * 16_000, silent_samples=10 * 16_000, failed_samples=2 * 16_000)
    found = pace(replace(TASK, coverage=done, duration_samples=120 * 16_000), after(10))
    assert found.realtime_factor == 6.0
    assert found.eta_seconds == 10.0


def test_the_file_s_own_length_serves_until_the_decoder_knows_better() -> None:
    """And where neither is known there is a pace but no estimate."""
    done = Coverage(transcribed_samples=60 * 16_000)
    assert pace(replace(TASK, coverage=done, declared_samples=180 * 16_000), after(10)).eta_seconds == 20.0
    unknown = pace(replace(TASK, coverage=done), after(10))
    assert (unknown.realtime_factor, unknown.eta_seconds) == (6.0, None)


def test_a_declared_length_that_is_too_short_gives_no_negative_estimate() -> None:
    """Headers lie."""
    done = Coverage(transcribed_samples=60 * 16_000)
    assert pace(replace(TASK, coverage=done, declared_samples=16_000), after(10)).eta_seconds == 0.0


@pytest.mark.parametrize("span", [0.0, -3.0])
def test_clocks_that_disagree_tell_nothing(span: float) -> None:
    """The start may have been written by a machine whose clock is ahead."""
    done = Coverage(transcribed_samples=60 * 16_000)
    assert pace(replace(TASK, coverage=done, duration_samples=16_000), after(span)).realtime_factor is None


def test_an_ended_task_keeps_its_pace() -> None:
    """Whenever one looks: the span is that between start and end, and nothing is left to wait for."""
    done = Coverage(transcribed_samples=60 * 16_000)
    ended = replace(TASK, status=TaskStatus.COMPLETED, coverage=done, duration_samples=960_000, finished_at=after(20))
    assert pace(ended, after(9_999)) == pace(ended, after(21))
    assert (pace(ended, after(21)).realtime_factor, pace(ended, after(21)).eta_seconds) == (3.0, 0.0)
