"""Ending a task when its last chunk has ended, and removing what nobody needs any more."""

from core.adapters.mongo.tally import Tally
from core.flow.resources import Resources
from core.models import Coverage, Failure, Task
from core.states import TASK_ENDED, ChunkState, TaskStatus

OPEN = (ChunkState.PENDING, ChunkState.QUEUED, ChunkState.RUNNING)
# Not the upload's fault: it stays for a retry.
PREPARE_AGAIN = {"preparation_failed", "worker_lost", "model_not_found", "model_corrupt"}
UNWANTED = (ChunkState.FAILED, ChunkState.CANCELLED)


async def settle(resources: Resources, task: Task, tally: Tally) -> bool:
    """Write a task's progress and, if nothing of it is left to do, its end. True where it has ended now.

    ``tally``: of its chunks, counted after the task was read.
    """
    # A count is no snapshot: a chunk that moves meanwhile may be in none of the groups.
    if not task.prepared or tally.count(*OPEN) or sum(tally.chunks.values()) != task.chunks_total:
        await _note(resources, task, tally)
        return False
    status = final_status(tally)
    ended = await resources.tasks.end(
        task,
        status,
        completed=tally.count(ChunkState.DONE),
        failed=tally.count(ChunkState.FAILED),
        coverage=coverage_of(task, tally),
        error=_error(status, tally),
    )
    if ended:
        await tidy(resources, task.id)
    return ended


def final_status(tally: Tally) -> TaskStatus:
    """What a task with these ended chunks has become. Silence throughout (no chunk at all) is a success."""
    failed, done = tally.count(ChunkState.FAILED), tally.count(ChunkState.DONE)
    if not failed:
        return TaskStatus.COMPLETED
    return TaskStatus.PARTIAL if done else TaskStatus.FAILED


def coverage_of(task: Task, tally: Tally) -> Coverage:
    """Where every sample went. Silence is what no chunk answers for, so the three add up by construction."""
    cores = sum(tally.samples.values())
    return Coverage(
        transcribed_samples=tally.length(ChunkState.DONE),
        silent_samples=max(0, (task.duration_samples or cores) - cores),
        failed_samples=tally.length(*UNWANTED, *OPEN),
    )


async def note_end(resources: Resources, task_id: str) -> None:
    """Write where the audio of a task went that was stopped: cancelled, or failed while it was being prepared."""
    task = await resources.tasks.get(task_id)
    if task is None:
        return
    tally = await resources.chunks.tally(task_id)
    await resources.tasks.note_stopped(
        task_id,
        completed=tally.count(ChunkState.DONE),
        failed=tally.count(ChunkState.FAILED),
        coverage=coverage_of(task, tally),
    )


async def tidy(resources: Resources, task_id: str) -> None:
    """Remove the blobs of an ended task that nobody will read again; a failed chunk's audio stays for a retry.

    The task is read last: where it was retried meanwhile, its upload and new audio are read again, so they stay.
    """
    blobs = [blob.key async for blob in resources.blobs.iterate(f"pcm/{task_id}")]
    kept = await resources.chunks.pcm_keys(task_id, *OPEN, ChunkState.FAILED)
    task = await resources.tasks.get(task_id)
    if task is None or task.status not in TASK_ENDED:
        return
    unwanted = [key for key in blobs if key not in kept]
    retryable = task.error is not None and task.error.code in PREPARE_AGAIN
    if not (retryable or resources.keep_uploads):
        unwanted.append(task.upload.key)
    await resources.blobs.delete(*unwanted)
    await resources.tasks.close(task_id)


async def _note(resources: Resources, task: Task, tally: Tally) -> None:
    coverage = coverage_of(task, tally)
    failed = tally.length(ChunkState.FAILED)
    ended = coverage.transcribed_samples + failed
    await resources.tasks.note_progress(
        task,
        completed=tally.count(ChunkState.DONE),
        failed=tally.count(ChunkState.FAILED),
        coverage=Coverage(transcribed_samples=coverage.transcribed_samples, failed_samples=failed),
        progress=_progress(task, ended, sum(tally.samples.values())),
    )


def _progress(task: Task, ended: int, cut: int) -> float:
    """Share of the speech that has ended. Until the file is cut its own claim of its length stands for the whole."""
    whole = cut if task.prepared else max(task.declared_samples or 0, cut)
    if not whole or (not task.prepared and not task.declared_samples):
        return 0.0
    return min(0.99, ended / whole)


def _error(status: TaskStatus, tally: Tally) -> Failure | None:
    failed, total = tally.count(ChunkState.FAILED), sum(tally.chunks.values())
    if status is TaskStatus.PARTIAL:
        message = f"{failed} of {total} chunks failed; the rest is there. POST …/retry tries the failed ones again."
        return Failure(code="chunks_failed", message=message)
    if status is TaskStatus.FAILED:
        message = f"All {total} chunks failed; GET …/chunks says why. POST …/retry tries them again."
        return Failure(code="all_chunks_failed", message=message)
    return None
