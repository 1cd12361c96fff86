"""Short ways to put tasks in and to see what became of them."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from core.config import Settings
from core.flow.resources import Resources
from core.flow.submit import submit
from core.models import Chunk, Options, Task, Upload
from core.states import TASK_ENDED, TaskStatus
from worker.runtime import Worker, open_context

CLIPS = Path(__file__).parent.parent / "data"


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
