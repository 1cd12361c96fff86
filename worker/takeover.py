"""Giving a dead worker's work to others. Every write carries the dead one's fence, so doing it twice is harmless."""

import structlog

from core.adapters.mongo.chunks import SUSPICIOUS_DEATHS
from core.flow.finish import note_end
from core.models import Chunk, Failure, Task
from worker.context import Context
from worker.runfiles import Cause

log = structlog.get_logger()

MAX_INTERRUPTIONS = 25  # deaths from outside under one chunk; it is then suspected all the same
LONGEST_REST_SECONDS = 8.0  # so that all of them together take some minutes

BLAME = {
    Cause.CRASHED: Failure(code="worker_crashed", message="The worker process crashed while transcribing this chunk."),
    Cause.MEMORY: Failure(
        code="worker_out_of_memory",
        message="Memory ran short while this chunk was transcribed, and the system ended the worker. "
        "Give the worker more memory or fewer slots (MAX_PARALLEL_WORKERS).",
    ),
}


async def take_over(context: Context, worker_id: str, cause: Cause) -> set[str]:
    """Free all that a worker owned; the tasks concerned. What it is blamed for counts as an attempt.

    Where chunks were running they are blamed and not what was being prepared beside them.
    """
    tasks = await context.resources.tasks.owned_by(worker_id)
    chunks = await context.resources.chunks.owned_by(worker_id)
    for task in tasks:
        await _free_task(context, task, Cause.OUTSIDE if cause.blamed and chunks else cause)
    for chunk in chunks:
        await free_chunk(context, chunk, cause)
    await context.resources.workers.remove(worker_id)
    if tasks or chunks:
        log.info("work taken over", worker=worker_id, cause=cause, tasks=len(tasks), chunks=len(chunks))
    return {task.id for task in tasks} | {chunk.task_id for chunk in chunks}


async def free_chunk(context: Context, chunk: Chunk, cause: Cause) -> None:
    """Let a chunk run again, or fail it when it has cost enough."""
    store = context.resources.chunks
    if cause.blamed:
        again = chunk.attempts < context.settings.max_chunk_attempts
        await store.fail(chunk, BLAME[cause], attempts_left=again)
    elif chunk.interruptions >= MAX_INTERRUPTIONS and cause is Cause.OUTSIDE:
        failure = Failure(code="worker_lost", message=f"Workers died {chunk.interruptions + 1} times over this chunk.")
        await store.fail(chunk, failure, attempts_left=False)
    else:
        await store.give_back(chunk, interrupted=cause is Cause.OUTSIDE, delay_seconds=_rest(context, chunk, cause))
    context.credit.look_again(chunk.task_id)


def _rest(context: Context, chunk: Chunk, cause: Cause) -> float:
    """Seconds. A chunk over which workers die again and again costs the others a worker each time: it has to wait."""
    over = chunk.interruptions + 1 - SUSPICIOUS_DEATHS
    if cause is not Cause.OUTSIDE or over < 0:
        return 0.0
    return float(min(LONGEST_REST_SECONDS, context.settings.retry_delay_seconds * 2**over))


async def _free_task(context: Context, task: Task, cause: Cause) -> None:
    store = context.resources.tasks
    exhausted = task.attempts >= context.settings.max_chunk_attempts if cause.blamed else False
    if exhausted or task.interruptions >= MAX_INTERRUPTIONS:
        message = "Workers died again and again while preparing this task. POST …/retry tries again."
        if await store.fail_preparing(task, Failure(code="worker_lost", message=message)):
            await note_end(context.resources, task.id)
    elif cause.blamed:
        await store.let_go(task)
    else:
        await store.give_back(task, interrupted=cause is Cause.OUTSIDE)
