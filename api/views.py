"""Stored values as the bodies that clients get."""

from datetime import UTC, datetime

from api.figures import pace, seconds, seconds_or_none, success_rate
from api.schemas import ChunkBody, CoverageBody, ErrorBody, LinksBody, TaskBody
from core.models import Chunk, Coverage, Failure, Task

PREFIX = "/api/v1"


def task_body(task: Task) -> TaskBody:
    """A task as it stands now."""
    speed = pace(task, datetime.now(UTC))
    return TaskBody(
        task_id=task.id,
        status=task.status,
        filename=task.filename,
        model=task.options.model,
        language=task.options.language,
        language_probability=_rounded(task.language_probability),
        task=task.options.task,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        duration_seconds=seconds_or_none(task.duration_samples),
        chunks_total=task.chunks_total,
        chunks_completed=task.chunks_completed,
        chunks_failed=task.chunks_failed,
        progress=round(task.progress, 4),
        success_rate=success_rate(task),
        eta_seconds=speed.eta_seconds,
        realtime_factor=speed.realtime_factor,
        coverage=_coverage(task.coverage),
        error=_error(task.error),
        warnings=list(task.warnings),
        links=links(task.id),
    )


def chunk_body(chunk: Chunk) -> ChunkBody:
    """A chunk without its text."""
    return ChunkBody(
        index=chunk.cut.index,
        state=chunk.state,
        attempts=chunk.attempts,
        start=seconds(chunk.cut.start),
        end=seconds(chunk.cut.end),
        error=_error(chunk.error),
    )


def links(task_id: str) -> LinksBody:
    """Where the parts of a task are. Paths only: behind a proxy this server does not know its own address."""
    own = f"{PREFIX}/tasks/{task_id}"
    return LinksBody(
        self=own,
        status=f"{own}/status",
        chunks=f"{own}/chunks",
        transcript=f"{own}/transcript",
        cancel=f"{own}/cancel",
        retry=f"{own}/retry",
    )


def _coverage(coverage: Coverage) -> CoverageBody:
    return CoverageBody(
        transcribed_seconds=seconds(coverage.transcribed_samples),
        silent_seconds=seconds(coverage.silent_samples),
        failed_seconds=seconds(coverage.failed_samples),
    )


def _error(failure: Failure | None) -> ErrorBody | None:
    return ErrorBody(code=failure.code, message=failure.message) if failure else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
