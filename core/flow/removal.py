"""Cancelling, retrying, deleting. Each is a conditional write first; the sweeper completes what a crash interrupts."""

from collections.abc import Awaitable

import structlog

from core.errors import ConflictError, NotFoundError, TransientError
from core.flow.credits import Credits
from core.flow.finish import PREPARE_AGAIN, note_end, tidy
from core.flow.resources import Resources
from core.flow.submit import announce
from core.models import Task
from core.states import TaskStatus

log = structlog.get_logger()


async def cancel(resources: Resources, task_id: str) -> Task:
    """Stop a task. Raises ``NotFoundError``, or ``ConflictError`` where it has ended otherwise."""
    if not await resources.tasks.cancel(task_id):
        task = await _existing(resources, task_id)
        if task.status is not TaskStatus.CANCELLED:
            raise ConflictError(f"Task {task_id} is {task.status.value}: there is nothing left to cancel.")
        return task
    await _or_later(clear_cancelled(resources, task_id), task_id)
    return await _existing(resources, task_id)


async def clear_cancelled(resources: Resources, task_id: str) -> None:
    """Stop the chunks of a cancelled task, note where its audio went, and remove its blobs."""
    await resources.chunks.cancel(task_id)
    await note_end(resources, task_id)
    await tidy(resources, task_id)


async def retry(resources: Resources, credit: Credits, task_id: str) -> Task:
    """Run the failed chunks of an ended task again; or prepare it again, where that is what failed."""
    task = await _existing(resources, task_id)
    if task.status not in {TaskStatus.PARTIAL, TaskStatus.FAILED}:
        raise ConflictError(f"Task {task_id} is {task.status.value}: only a partial or failed task can be retried.")
    if task.prepared:
        await _retry_chunks(resources, credit, task)
    else:
        await _retry_preparing(resources, task)
    return await _existing(resources, task_id)


async def _retry_chunks(resources: Resources, credit: Credits, task: Task) -> None:
    """The chunks open before their task: a crash between the two leaves an ended task, which a retry mends."""
    await resources.chunks.reopen(task.id)
    if not await resources.tasks.reopen(task.id, TaskStatus.PROCESSING):
        raise ConflictError(f"Task {task.id} changed while it was to be retried. Look at its status.")
    credit.look_again(task.id)
    await credit.top_up(task, cut=task.chunks_total or 0)


async def _retry_preparing(resources: Resources, task: Task) -> None:
    """Only where the upload was kept: one that cannot be read stays unreadable."""
    if task.error is None or task.error.code not in PREPARE_AGAIN:
        message = f"The upload of task {task.id} is gone, since it could not be read. Send another file."
        raise ConflictError(message, code="upload_gone")
    await resources.chunks.reopen(task.id)
    if await resources.tasks.reopen(task.id, TaskStatus.QUEUED):
        await announce(resources, task.id)


async def delete(resources: Resources, task_id: str) -> None:
    """Remove a task and all of it. From the first write on nobody sees it. Raises ``NotFoundError``."""
    await _existing(resources, task_id)
    await resources.tasks.mark_deleted(task_id)
    await _or_later(purge(resources, task_id), task_id)


async def _or_later(tidying: Awaitable[None], task_id: str) -> None:
    """It has been decided: that database or blobs are away meanwhile is no reason to say that it has not."""
    try:
        await tidying
    except TransientError as error:
        log.warning("left to the sweeper", task_id=task_id, reason=error.message)


async def purge(resources: Resources, task_id: str) -> None:
    """Remove a task that is marked deleted, its document last."""
    task = await resources.tasks.get(task_id, deleted=True)
    if task is not None:
        await clear_deleted(resources, task)
        await resources.tasks.purge(task_id)


async def clear_deleted(resources: Resources, task: Task) -> None:
    """Remove the chunks and blobs of a deleted task; running claims lose their fence with their documents."""
    await resources.chunks.purge(task.id)
    keys = [blob.key async for blob in resources.blobs.iterate(f"pcm/{task.id}")]
    await resources.blobs.delete(task.upload.key, *keys)


async def _existing(resources: Resources, task_id: str) -> Task:
    task = await resources.tasks.get(task_id)
    if task is None:
        raise NotFoundError(f"There is no task {task_id}. It was deleted, or the id is mistyped.")
    return task
