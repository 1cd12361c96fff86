"""The states of tasks and chunks, and the one table of legal moves that every write uses."""

from collections.abc import Mapping
from enum import StrEnum


class TaskStatus(StrEnum):
    """What a client sees of a task."""

    QUEUED = "queued"  # accepted and stored; nobody has started on it
    PREPARING = "preparing"  # being decoded; no window is known yet
    PROCESSING = "processing"  # windows are being transcribed (and perhaps still being cut)
    COMPLETED = "completed"  # every window is transcribed
    PARTIAL = "partial"  # some windows failed for good, the rest are there
    FAILED = "failed"  # nothing usable: bad input, or every window failed
    CANCELLED = "cancelled"  # stopped on request


class ChunkState(StrEnum):
    """What became of one window."""

    PENDING = "pending"  # known, not announced
    QUEUED = "queued"  # a message for it is out
    RUNNING = "running"  # a worker owns it
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


T, C = TaskStatus, ChunkState

TASK_MOVES: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    T.QUEUED: frozenset({T.PREPARING, T.FAILED, T.CANCELLED}),
    T.PREPARING: frozenset({T.PROCESSING, T.COMPLETED, T.FAILED, T.CANCELLED}),
    T.PROCESSING: frozenset({T.COMPLETED, T.PARTIAL, T.FAILED, T.CANCELLED}),
    T.COMPLETED: frozenset(),
    T.PARTIAL: frozenset({T.PROCESSING}),  # retry
    T.FAILED: frozenset({T.PROCESSING, T.QUEUED}),  # retry: of its chunks, or of the whole where none was cut
    T.CANCELLED: frozenset(),
}

CHUNK_MOVES: Mapping[ChunkState, frozenset[ChunkState]] = {
    C.PENDING: frozenset({C.QUEUED, C.RUNNING, C.FAILED, C.CANCELLED}),
    C.QUEUED: frozenset({C.RUNNING, C.PENDING, C.FAILED, C.CANCELLED}),
    C.RUNNING: frozenset({C.DONE, C.PENDING, C.FAILED, C.CANCELLED}),
    C.DONE: frozenset(),
    C.FAILED: frozenset({C.PENDING}),  # retry
    C.CANCELLED: frozenset(),
}

TASK_ENDED = frozenset({T.COMPLETED, T.PARTIAL, T.FAILED, T.CANCELLED})
CHUNK_ENDED = frozenset({C.DONE, C.FAILED, C.CANCELLED})


def task_sources(target: TaskStatus) -> list[str]:
    """Every status from which ``target`` may be reached, for the condition of a conditional write."""
    return sorted(source for source, targets in TASK_MOVES.items() if target in targets)


def chunk_sources(target: ChunkState) -> list[str]:
    """Every state from which ``target`` may be reached, for the condition of a conditional write."""
    return sorted(source for source, targets in CHUNK_MOVES.items() if target in targets)
