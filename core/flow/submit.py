"""Taking a task in: once it is stored it is accepted, whatever becomes of the wake-up."""

import asyncio
from datetime import timedelta

import structlog

from core.errors import BrokerUnavailableError, InvalidRequestError, StoreUnavailableError
from core.flow.resources import Resources
from core.models import Idempotency, Task
from core.ports import Message, Queue

log = structlog.get_logger()

ANNOUNCE_SECONDS = 2.0  # a client waits for its answer meanwhile
TRIES = 5  # each but the last ends with a key that was forgotten at that very moment


async def submit(resources: Resources, task: Task, *, remember: timedelta = timedelta(days=1)) -> Task:
    """Store a new task, then wake a worker. Returns it, or the task that the same upload with the same key made before.

    One insert decides among any number of equal uploads at once. ``remember``: how old that other task may be.
    Raises ``InvalidRequestError`` (``idempotency_key_reused``) where the key came with another upload before, and
    ``StoreUnavailableError``; an absent broker is no error.
    """
    for _ in range(TRIES):
        if await resources.tasks.insert(task) or task.idempotency is None:
            break
        earlier = await _earlier(resources, task, task.idempotency, remember)
        if earlier is not None and earlier.id != task.id:
            return earlier
        if earlier is not None:  # our own insert, whose first answer was lost
            break
    else:
        raise StoreUnavailableError("The Idempotency-Key changed hands again and again. Send the upload again.")
    await announce(resources, task.id)
    return task


async def _earlier(resources: Resources, task: Task, sent: Idempotency, remember: timedelta) -> Task | None:
    """The task that has the key; None where it has just been forgotten, so that it is free."""
    earlier = await resources.tasks.by_key(sent.key)
    if earlier is None or earlier.idempotency is None:
        return None
    if task.created_at - earlier.created_at > remember:
        await resources.tasks.forget_key(earlier.id)
        return None
    if earlier.idempotency.fingerprint != sent.fingerprint:
        raise InvalidRequestError(
            f"This Idempotency-Key came before, with another file, name or options: it made task {earlier.id}. "
            "Use a new key for a new upload, and an old key only to send the same again.",
            code="idempotency_key_reused",
        )
    return earlier


async def announce(resources: Resources, task_id: str) -> None:
    """Wake a worker to prepare a task. If that fails the sweeper does it later."""
    try:
        async with asyncio.timeout(ANNOUNCE_SECONDS):
            reason = await resources.broker.check()
            if reason is None:
                await resources.broker.publish(Queue.TASKS, Message(task_id=task_id))
    except (BrokerUnavailableError, TimeoutError) as error:
        reason = str(error) or f"no answer within {ANNOUNCE_SECONDS:g} s"
    if reason is not None:
        log.warning("task not announced, the sweeper will", task_id=task_id, reason=reason)
