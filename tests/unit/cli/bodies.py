"""Tasks as the API describes them."""

from typing import Any


def task(**changes: Any) -> dict[str, Any]:
    """A task that has just been accepted, with these changes."""
    return {
        "task_id": "7b0c1b5e",
        "status": "queued",
        "filename": "talk.mp3",
        "model": "base",
        "language": None,
        "task": "transcribe",
        "created_at": "2026-01-02T03:04:05Z",
        "duration_seconds": None,
        "chunks_total": None,
        "chunks_completed": 0,
        "chunks_failed": 0,
        "progress": 0.0,
        "eta_seconds": None,
        "realtime_factor": None,
        "coverage": {"transcribed_seconds": 0.0, "silent_seconds": 0.0, "failed_seconds": 0.0},
        "error": None,
    } | changes


RUNNING = task(
    status="processing", chunks_total=9, chunks_completed=3, progress=0.335, realtime_factor=41.23, eta_seconds=12.4
)
COMPLETED = task(
    status="completed",
    chunks_total=9,
    chunks_completed=9,
    progress=1.0,
    realtime_factor=40.0,
    duration_seconds=120.0,
    coverage={"transcribed_seconds": 110.0, "silent_seconds": 10.0, "failed_seconds": 0.0},
)
PARTIAL = COMPLETED | {
    "status": "partial",
    "chunks_failed": 1,
    "coverage": {"transcribed_seconds": 82.0, "silent_seconds": 10.0, "failed_seconds": 28.0},
    "error": {"code": "chunks_failed", "message": "1 of 9 chunks failed."},
}
