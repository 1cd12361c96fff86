"""Routes that read what was transcribed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.context import Context, Given
from api.faults import TaskFailedError
from api.openapi import problems, transcript_response
from api.routes.ids import existing
from api.schemas import ChunkList
from api.streams import all_of, chunks_json, primed, streamed
from core.models import Task
from core.states import ChunkState, TaskStatus
from core.transcript.formats import MEDIA_TYPES, TranscriptFormat, parse_format, render
from core.transcript.join import join
from core.transcript.pieces import header_of

router = APIRouter(tags=["results"])
Existing = Annotated[Task, Depends(existing)]


class TranscriptQuery(BaseModel):
    """How the transcript is wanted."""

    model_config = ConfigDict(extra="forbid")

    format: str = Field(
        default="json", max_length=40, json_schema_extra={"enum": [str(kind) for kind in TranscriptFormat]}
    )


@router.get(
    "/tasks/{task_id}/chunks",
    operation_id="getChunks",
    summary="List the windows of a task",
    response_model=ChunkList,
    responses=problems("task_not_found"),
)
async def get_chunks(request: Request, given: Given, task: Existing) -> Response:
    """Every window that is known so far, in order."""
    chunks = await primed(all_of(task, given.resources.chunks.iterate(task.id, results=False)))
    return await streamed(request, chunks_json(chunks), "application/json")


@router.get(
    "/tasks/{task_id}/transcript",
    operation_id="getTranscript",
    summary="Read the transcript, or what is ready of it",
    response_class=StreamingResponse,
    responses={200: transcript_response(), **problems("task_not_found", "task_failed", "invalid_format")},
)
async def get_transcript(
    request: Request, given: Given, task: Existing, query: Annotated[TranscriptQuery, Query()]
) -> Response:
    """Rendered while it is read. If the connection ends early, so does the text: no closing chunk is sent."""
    kind = parse_format(query.format)
    await _check_renderable(given, task)
    header = header_of(task)
    chunks = await primed(all_of(task, given.resources.chunks.iterate(task.id)))
    complete = {"X-Transcript-Complete": "true" if header.complete else "false"}
    return await streamed(request, render(kind, header, join(chunks)), MEDIA_TYPES[kind], complete)


async def _check_renderable(given: Context, task: Task) -> None:
    """A failed task may have text all the same: of the windows before the place where the file was broken."""
    if task.status is not TaskStatus.FAILED:
        return
    tally = await given.resources.chunks.tally(task.id)
    if not tally.count(ChunkState.DONE):
        reason = task.error.message if task.error else "its reason is not known."
        raise TaskFailedError(f"The task failed before anything was transcribed: {reason}")
