"""Routes on tasks: look, list, cancel, retry, delete."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.context import Given
from api.cursors import decode_cursor, encode_cursor
from api.fields import Fields
from api.openapi import problems
from api.routes.ids import TaskId, existing
from api.schemas import TaskBody, TaskPage
from api.views import task_body
from core.flow import removal
from core.models import Task
from core.states import TaskStatus

router = APIRouter(tags=["tasks"])
Existing = Annotated[Task, Depends(existing)]


class PageQuery(Fields):
    """Which tasks to list."""

    status: TaskStatus | None = Field(default=None, description="Only tasks of this status.")
    limit: int = Field(default=50, ge=1, le=200, description="At most this many.")
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the page before.")


@router.get(
    "/tasks", operation_id="listTasks", summary="List tasks, newest first", responses=problems("invalid_request")
)
@router.get("/tasks/", include_in_schema=False)
async def list_tasks(given: Given, query: Annotated[PageQuery, Query()]) -> TaskPage:
    """A page of tasks. Tasks that come in meanwhile do not shift the pages that follow."""
    before = decode_cursor(query.cursor) if query.cursor else None
    found = await given.resources.tasks.newest(status=query.status, before=before, limit=query.limit + 1)
    page, more = found[: query.limit], len(found) > query.limit
    return TaskPage(
        tasks=[task_body(task) for task in page],
        next_cursor=encode_cursor(page[-1]) if more else None,
    )


@router.get(
    "/tasks/{task_id}",
    operation_id="getTask",
    summary="Look at a task",
    response_model=TaskBody,
    responses=problems("task_not_found"),
)
@router.get(
    "/tasks/{task_id}/status",
    operation_id="getTaskStatus",
    summary="Look at a task (the same)",
    response_model=TaskBody,
    responses=problems("task_not_found"),
)
async def get_task(task: Existing) -> Response:
    """Cheap enough to ask every second: one read of one small document."""
    # Made here: FastAPI would check the body a second time and write it in Python.
    return Response(task_body(task).model_dump_json(), media_type="application/json")


@router.post(
    "/tasks/{task_id}/cancel",
    operation_id="cancelTask",
    summary="Stop a task",
    responses=problems("task_not_found", "task_state_conflict"),
)
async def cancel_task(given: Given, task_id: TaskId) -> TaskBody:
    """What is transcribed already stays readable. To cancel a cancelled task is no error."""
    return task_body(await removal.cancel(given.resources, task_id))


@router.post(
    "/tasks/{task_id}/retry",
    operation_id="retryTask",
    summary="Try the failed chunks again",
    responses=problems("task_not_found", "task_state_conflict", "upload_gone"),
)
async def retry_task(given: Given, task_id: TaskId) -> TaskBody:
    """What is transcribed already stays as it is."""
    return task_body(await removal.retry(given.resources, given.credit, task_id))


@router.delete(
    "/tasks/{task_id}",
    status_code=204,
    operation_id="deleteTask",
    summary="Delete a task and all of it",
    responses=problems("task_not_found"),
)
async def delete_task(given: Given, task_id: TaskId) -> Response:
    """Its transcript, its chunks, its upload. A running task is stopped."""
    await removal.delete(given.resources, task_id)
    return Response(status_code=204)
