"""Task ids in paths."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path

from api.context import Given
from core.errors import NotFoundError
from core.models import Task


async def _task_id(task_id: Annotated[str, Path(examples=["7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11"])]) -> str:
    """What is no id names no task, and no text of a client's gets into a query."""
    try:
        known = str(UUID(task_id)) == task_id
    except ValueError:
        known = False
    if not known:
        raise _not_found(task_id)
    return task_id


TaskId = Annotated[str, Depends(_task_id)]


async def existing(given: Given, task_id: TaskId) -> Task:
    """The task that the path names. Raises ``NotFoundError``."""
    task = await given.reads.get(task_id)
    if task is None:
        raise _not_found(task_id)
    return task


def _not_found(task_id: str) -> NotFoundError:
    return NotFoundError(f"There is no task {task_id[:40]}. It was deleted, or the id is mistyped.")
