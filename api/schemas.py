"""What clients get, field by field. Nothing leaves the API that is not named here."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from core.models import TaskKind
from core.states import ChunkState, TaskStatus


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CoverageBody(_Body):
    """Where the audio went, in seconds. When a task has ended the three add up to its duration."""

    transcribed_seconds: float = Field(ge=0, examples=[61.72])
    silent_seconds: float = Field(ge=0, examples=[4.28])
    failed_seconds: float = Field(ge=0, examples=[0.0])


class ErrorBody(_Body):
    """Why a task or a chunk ended badly."""

    code: str = Field(description="Stable; match on this one.", examples=["chunks_failed"])
    message: str = Field(description="A sentence for people.")


class LinksBody(_Body):
    """Where to go from here, as paths on this server."""

    self: str
    status: str
    chunks: str
    transcript: str
    cancel: str
    retry: str


class TaskBody(_Body):
    """A task as it stands. Every figure is there from the start and null until it is known."""

    task_id: str = Field(examples=["7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11"])
    status: TaskStatus = Field(
        description="`queued`, `preparing`, `processing`, then one of `completed`, `partial` (some chunks failed for "
        "good, the rest is there), `failed`, `cancelled`."
    )
    filename: str = Field(description="The name that the client gave; a label only.", examples=["interview.mp3"])
    model: str = Field(examples=["base"])
    language: str | None = Field(description="Code; null until it is found.", examples=["en"])
    language_probability: float | None = Field(description="0 to 1; null where the client gave the language.")
    task: TaskKind
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: float | None = Field(description="Null until the whole file is decoded.", examples=[66.0])
    chunks_total: int | None = Field(description="Null while the file is still being cut.", examples=[3])
    chunks_completed: int
    chunks_failed: int
    progress: float = Field(ge=0, le=1, description="Share of the speech that is dealt with; never falls.")
    success_rate: float | None = Field(description="Completed chunks among those that ended; null before the first.")
    eta_seconds: float | None = Field(description="Estimated seconds until the end; null while nothing tells.")
    realtime_factor: float | None = Field(description="Seconds of audio dealt with per second.", examples=[31.5])
    coverage: CoverageBody
    error: ErrorBody | None
    warnings: list[str] = Field(description="What was wrong with the file though it could be read, a sentence each.")
    links: LinksBody


class TaskPage(_Body):
    """Tasks, newest first."""

    tasks: list[TaskBody]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last.")


class ChunkBody(_Body):
    """One window of a task."""

    index: int = Field(ge=0)
    state: ChunkState
    attempts: int = Field(ge=0, description="How often it was tried.")
    start: float = Field(description="Where it starts, in seconds from the task's start.")
    end: float = Field(description="Where it ends. Neighbours may overlap by 2 s where nobody paused.")
    error: ErrorBody | None = Field(description="Why its last attempt failed.")


class ChunkList(_Body):
    """Every chunk that is known so far, in order."""

    chunks: list[ChunkBody]


class HealthBody(_Body):
    """Whether this process can do its work."""

    status: str = Field(examples=["ok"])
    checks: dict[str, str] = Field(description="`ok`, or a sentence that says what is wrong.")


class LiveBody(_Body):
    """The process runs."""

    status: str = Field(examples=["ok"])


class FaultBody(_Body):
    """One field that is not acceptable."""

    field: str = Field(examples=["language"])
    message: str


class Problem(_Body):
    """Every error, as RFC 9457 has it."""

    type: str = Field(examples=["urn:parascribe:problem:task_not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What happened, why, and what to do.")
    code: str = Field(description="Stable; match on this one.", examples=["task_not_found"])
    errors: list[FaultBody] | None = Field(default=None, description="Which fields are wrong, where it is fields.")
    reference: str | None = Field(default=None, description="With status 500: finds the cause in the log.")
