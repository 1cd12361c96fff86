"""Tasks in the states that these tests need, made by the moves that a worker makes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from core.flow.finish import settle
from core.flow.resources import Resources
from core.models import Cut, CutPlan, Failure, Options, Segment, Task, Upload, WindowResult, Word
from core.states import TaskStatus
from tests.support.tasks import claim_one, complete_one

WINDOW = 10 * 16_000
PAUSE = 16_000


async def queued(resources: Resources, *, at: datetime | None = None) -> Task:
    """A task that nobody has started on; its upload is there."""
    task_id = str(uuid4())
    task = Task(
        id=task_id,
        status=TaskStatus.QUEUED,
        filename="a.wav",
        options=Options(model="base"),
        word_timestamps=False,
        max_parallel_workers=None,
        plan=CutPlan(),
        upload=Upload(key=f"uploads/{task_id}", size_bytes=3, sha256="0"),
        created_at=at or datetime.now(UTC),
    )
    await resources.blobs.put(task.upload.key, b"abc")
    await resources.tasks.insert(task)
    return task


async def cut(resources: Resources, chunks: int) -> Task:
    """A task that is being transcribed: ``chunks`` windows of 10 s with a second of silence after each."""
    task = await queued(resources)
    claimed = await resources.tasks.claim(task.id, "worker")
    assert claimed is not None
    await resources.tasks.start_processing(claimed, "en", 0.98)
    await resources.chunks.add(task.id, [_cut(index) for index in range(chunks)])
    whole = chunks * (WINDOW + PAUSE)
    await resources.tasks.finish_cutting(
        claimed, chunks_total=chunks, duration_samples=whole, silent_samples=chunks * PAUSE
    )
    found = await resources.tasks.get(task.id)
    assert found is not None
    return found


async def end_chunks(resources: Resources, task: Task, done: Sequence[int], failed: Sequence[int] = ()) -> Task:
    """Transcribe some windows, fail others, and write the task's figures."""
    for index in [*done, *failed]:
        await resources.chunks.queue(task.id, index)
        chunk = await claim_one(resources.chunks, task.id, index, "worker")
        assert chunk is not None
        if index in failed:
            await resources.chunks.fail(chunk, Failure(code="engine_failed", message="It broke."), attempts_left=False)
        else:
            await complete_one(resources.chunks, chunk, _result(index))
    await settle(resources, task, await resources.chunks.tally(task.id))
    found = await resources.tasks.get(task.id)
    assert found is not None
    return found


async def failed(resources: Resources) -> Task:
    """A task whose upload could not be read."""
    task = await queued(resources)
    claimed = await resources.tasks.claim(task.id, "worker")
    assert claimed is not None
    await resources.tasks.fail_preparing(claimed, Failure(code="audio_unreadable", message="There is no sound in it."))
    return task


def _cut(index: int) -> Cut:
    start = index * (WINDOW + PAUSE)
    return Cut(index=index, start=start, end=start + WINDOW, core_start=start, core_end=start + WINDOW)


def _result(index: int) -> WindowResult:
    word = Word(start=0.5, end=1.0, text=f" Window {index}.", probability=0.9)
    return WindowResult(segments=(Segment(start=0.5, end=1.0, text=word.text, words=(word,)),))
