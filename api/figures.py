"""The figures of a task that are computed when somebody asks. Pure; samples in, seconds out."""

from dataclasses import dataclass
from datetime import datetime

from core.models import SAMPLE_RATE, Task
from core.states import TASK_ENDED


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How fast a task goes and how long it still takes; None while nothing tells."""

    realtime_factor: float | None
    eta_seconds: float | None


def seconds(samples: int) -> float:
    """Samples at 16 kHz as seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE, 3)


def seconds_or_none(samples: int | None) -> float | None:
    """As :func:`seconds`, for what may not be known yet."""
    return None if samples is None else seconds(samples)


def success_rate(task: Task) -> float | None:
    """Completed chunks among those that ended for good; None before the first."""
    ended = task.chunks_completed + task.chunks_failed
    return round(task.chunks_completed / ended, 4) if ended else None


def pace(task: Task, now: datetime) -> Pace:
    """Seconds of audio dealt with per second since the start, and at that rate the time that the rest takes.

    ``now`` and ``started_at`` may come from two machines' clocks, so a span that is not positive tells nothing.
    """
    done = _dealt_with(task)
    elapsed = _elapsed_seconds(task, now)
    ended = task.status in TASK_ENDED
    if not done or elapsed is None:
        return Pace(realtime_factor=None, eta_seconds=0.0 if ended else None)
    factor = done / SAMPLE_RATE / elapsed
    eta = 0.0 if ended else _remaining_seconds(task, done, factor)
    return Pace(realtime_factor=round(factor, 2), eta_seconds=eta)


def _dealt_with(task: Task) -> int:
    """Samples that are transcribed, failed for good, or silent. Nothing before the first chunk ended."""
    spoken = task.coverage.transcribed_samples + task.coverage.failed_samples
    return spoken + task.coverage.silent_samples if spoken or task.status in TASK_ENDED else 0


def _elapsed_seconds(task: Task, now: datetime) -> float | None:
    if task.started_at is None:
        return None
    span = ((task.finished_at or now) - task.started_at).total_seconds()
    return span if span > 0 else None


def _remaining_seconds(task: Task, done: int, factor: float) -> float | None:
    """None while neither the decoder nor the file itself tells the length."""
    whole = task.duration_samples or task.declared_samples
    if whole is None:
        return None
    return round(max(0, whole - done) / SAMPLE_RATE / factor, 1)
