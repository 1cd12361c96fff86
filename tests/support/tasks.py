"""Short ways to put tasks in and to see what became of them."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from core.adapters.mongo import ChunkStore
from core.config import Settings
from core.flow.resources import Resources
from core.flow.submit import submit
from core.models import SAMPLE_RATE as SECOND
from core.models import Chunk, Cut, Options, Task, Upload, WindowResult
from core.ports import Queue
from core.states import TASK_ENDED, TaskStatus
from tests.support.audio import speech
from worker.runtime import Worker, open_context


async def put_task(resources: Resources, settings: Settings, audio: bytes, **changes: object) -> str:
    """Upload and submit, as the API does; the task's id."""
    task_id = str(uuid.uuid4())
    key = f"uploads/{task_id}"
    await resources.blobs.put(key, audio)
    options = changes.pop("options", None) or Options(model="base", language=None)
    task = Task(
        id=task_id,
        status=TaskStatus.QUEUED,
        filename="clip.wav",
        options=options,
        word_timestamps=False,
        max_parallel_workers=changes.pop("max_parallel_workers", None),
        plan=settings.cut_plan,
        upload=Upload(key=key, size_bytes=len(audio), sha256=""),
        created_at=datetime.now(UTC),
    )
    await submit(resources, task)
    return task_id


@asynccontextmanager
async def working(settings: Settings, resources: Resources) -> AsyncIterator[Worker]:
    """A worker at work in this process for the length of the block."""
    async with open_context(settings, resources) as context:
        worker = Worker(context)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running


async def ended(resources: Resources, task_id: str, seconds: float = 30) -> Task:
    """The task, once it has ended."""

    def over(task: Task | None) -> bool:
        return task is not None and task.status in TASK_ENDED

    return await until(lambda: resources.tasks.get(task_id), over, seconds)


async def until(read: Callable, wanted: Callable, seconds: float = 30):
    """Poll until what is read is wanted; the deadline only ends a test that has failed."""
    deadline = time.monotonic() + seconds
    while not wanted(value := await read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds} s; last seen: {value}")
        await asyncio.sleep(0.02)
    return value


async def chunks_of(resources: Resources, task_id: str) -> list[Chunk]:
    """All chunks of a task in order."""
    return [chunk async for chunk in resources.chunks.iterate(task_id)]


async def blob_keys(resources: Resources, prefix: str = "") -> list[str]:
    """Every blob there is."""
    found = []
    for kind in ("uploads", "pcm"):
        found += [blob.key async for blob in resources.blobs.iterate(kind)]
    return [key for key in found if key.startswith(prefix)]


async def claim_one(chunks: ChunkStore, task_id: str, index: int, owner: str) -> Chunk | None:
    """One chunk, if it is announced."""
    return next(iter(await chunks.claim([(task_id, index)], owner)), None)


async def complete_one(chunks: ChunkStore, chunk: Chunk, result: WindowResult) -> bool:
    """Whether the result was stored."""
    return bool(await chunks.complete([(chunk, result)]))


async def half_cut(resources, settings):
    """A task being processed with two pending chunks, and its claim."""
    task_id = await put_task(resources, settings, b"")
    resources.broker._lines[Queue.TASKS].waiting.clear()
    task = await resources.tasks.claim(task_id, "preparer")
    await resources.tasks.start_processing(task, "en", 0.9)
    cuts = [
        Cut(index=i, start=i * SECOND, end=(i + 1) * SECOND, core_start=i * SECOND, core_end=(i + 1) * SECOND)
        for i in range(2)
    ]
    for cut in cuts:
        await resources.blobs.put(f"pcm/{task_id}/{cut.index:06d}", speech(1, gap_seconds=0).tobytes())
    await resources.chunks.add(task_id, cuts)
    await resources.tasks.note_cut(task, 2)
    return task
