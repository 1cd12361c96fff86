"""Taking a task in: once it is stored it is accepted, whatever becomes of the wake-up."""

import structlog

from core.errors import BrokerUnavailableError
from core.flow.resources import Resources
from core.models import Task
from core.ports import Message, Queue

log = structlog.get_logger()


async def submit(resources: Resources, task: Task) -> None:
    """Store a new task, then wake a worker. Raises ``StoreUnavailableError``; an absent broker is no error."""
    await resources.tasks.insert(task)
    await announce(resources, task.id)


async def announce(resources: Resources, task_id: str) -> None:
    """Wake a worker to prepare a task. If that fails the sweeper does it later."""
    try:
        await resources.broker.publish(Queue.TASKS, Message(task_id=task_id))
    except BrokerUnavailableError:
        log.warning("task not announced, the sweeper will", task_id=task_id)
