"""What must hold after every scenario, as pure functions of what was read through the API and from the stores."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.chaos.recordings import Recording, Segment

ENDED = frozenset({"completed", "partial", "failed", "cancelled"})
SAME_SECONDS = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenChunk:
    """One chunk as the API shows it; times in seconds."""

    index: int
    state: str
    attempts: int
    start: float
    end: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenTask:
    """One accepted upload as it was found at the end. ``status`` None: there is no such task."""

    task_id: str
    recording: Recording
    status: str | None
    chunks_total: int | None = None
    duration: float = 0.0
    covered: float = 0.0  # seconds of its coverage, all three together
    chunks: Sequence[SeenChunk] = ()
    segments: Sequence[Segment] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """What was found where nothing should be, by name."""

    blobs: Sequence[str] = ()
    parts: Sequence[str] = ()
    scratch: Sequence[str] = ()
    claims: Sequence[str] = ()
    open_tasks: Sequence[str] = ()
    messages: Sequence[str] = ()


@dataclass(kw_only=True, slots=True)
class Verdict:
    """``lost``: tasks and chunks; ``duplicated``: chunks, segments and tasks; ``broken``: a sentence each."""

    lost: int = 0
    duplicated: int = 0
    broken: list[str] = field(default_factory=list)


def judge(tasks: Sequence[SeenTask], left: Left, *, expected: frozenset[str] = frozenset({"completed"})) -> Verdict:
    """All of it. ``expected``: how tasks may have ended."""
    verdict = Verdict()
    for task in tasks:
        verdict.broken += check_end(task, expected)
        if task.status == "completed":
            verdict.broken += check_chunks(task) + check_segments(task) + check_text(task)
        verdict.lost += count_lost(task)
        verdict.duplicated += count_duplicated(task)
    verdict.broken += check_left(left)
    return verdict


def check_end(task: SeenTask, expected: frozenset[str]) -> list[str]:
    """Whatever was accepted ends."""
    if task.status is None:
        return [f"task {task.task_id} was accepted and is gone"]
    if task.status not in ENDED:
        return [f"task {task.task_id} never ended, it is {task.status}"]
    return [] if task.status in expected else [f"task {task.task_id} is {task.status}"]


def check_chunks(task: SeenTask) -> list[str]:
    """A completed task has exactly its planned windows, each once and done, and accounts for all of its audio."""
    planned = list(range(len(task.recording.spans)))
    broken = []
    if [chunk.index for chunk in task.chunks] != planned or task.chunks_total != len(planned):
        broken.append(f"task {task.task_id} has other chunks than planned: {[chunk.index for chunk in task.chunks]}")
    elif any(not _same(chunk, span) for chunk, span in zip(task.chunks, task.recording.spans, strict=True)):
        broken.append(f"task {task.task_id} was cut at other places")
    if any(chunk.state != "done" for chunk in task.chunks):
        broken.append(f"task {task.task_id} is completed with chunks that are not done")
    if abs(task.covered - task.duration) > 0.01:
        broken.append(f"task {task.task_id} accounts for {task.covered} s of {task.duration} s")
    return broken


def check_segments(task: SeenTask) -> list[str]:
    """Sorted, inside the audio, none twice."""
    broken = []
    starts = [start for start, _, _ in task.segments]
    if starts != sorted(starts):
        broken.append(f"segments of task {task.task_id} are out of order")
    if any(start < 0 or end > task.duration + SAME_SECONDS or end < start for start, end, _ in task.segments):
        broken.append(f"segments of task {task.task_id} lie outside its audio")
    if len(set(task.segments)) != len(task.segments):
        broken.append(f"segments of task {task.task_id} are there twice")
    return broken


def check_text(task: SeenTask) -> list[str]:
    """The transcript is that of a run without faults."""
    same = tuple(task.segments) == tuple(task.recording.segments)
    return [] if same else [f"the transcript of task {task.task_id} is not that of a quiet run"]


def check_left(left: Left) -> list[str]:
    """No blob, unfinished file, scratch file, claim, open task or message stays behind."""
    kinds = {
        "blobs": left.blobs,
        "unfinished files": left.parts,
        "scratch files": left.scratch,
        "claims": left.claims,
        "open tasks": left.open_tasks,
        "messages": left.messages,
    }
    return [f"{len(names)} {kind} left: {sorted(names)[:3]}" for kind, names in kinds.items() if names]


def count_lost(task: SeenTask) -> int:
    """The task itself if it is gone or never ended; else the chunks that a completed one lacks."""
    if task.status not in ENDED:
        return 1
    if task.status != "completed":
        return 0
    done = {chunk.index for chunk in task.chunks if chunk.state == "done"}
    return len(set(range(len(task.recording.spans))) - done)


def count_duplicated(task: SeenTask) -> int:
    """Chunks of one index, and segments of equal times and text, beyond the first."""
    indexes = Counter(chunk.index for chunk in task.chunks)
    segments = Counter(task.segments)
    return sum(count - 1 for count in (*indexes.values(), *segments.values()))


def check_twice(named: Sequence[tuple[str, str]]) -> list[str]:
    """``named``: upload and task id. One upload made one task."""
    tasks = Counter(name for name, _ in set(named))
    return [f"{name} became {count} tasks" for name, count in tasks.items() if count > 1]


def _same(chunk: SeenChunk, span: tuple[float, float]) -> bool:
    return abs(chunk.start - span[0]) < SAME_SECONDS and abs(chunk.end - span[1]) < SAME_SECONDS
