"""Taking an upload in: stream it to the blob store, then store its task."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog

from api.context import Context
from api.faults import WrongBodyTypeError
from api.form import UploadForm
from api.idempotency import remembered
from api.intake import FORM_SLACK_BYTES, Intake, check_length
from api.labels import DEFAULT, file_label
from api.multipart import FormReader, boundary_of
from api.options import TaskOptions, engine_options, parse_options
from api.room import check_room
from core.errors import PermanentError, TransientError
from core.flow.acceptance import Since, accept
from core.models import Options, Task, Upload
from core.states import TaskStatus

log = structlog.get_logger()

Body = AsyncIterator[bytes]
FILENAME = "filename"  # beside the options in a query


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What a request says of its body before that comes."""

    content_type: str | None
    length: str | None
    key: str | None  # the Idempotency-Key, hashed


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A task as it was taken in, by this request or by one before it with the same key."""

    task: Task
    replayed: bool


async def accept_form(context: Context, body: Body, head: Head) -> Accepted:
    """A multipart form with the file and the options in it. Nothing is left of what is refused."""
    limit, task_id = context.settings.max_upload_bytes, str(uuid4())
    reader = FormReader(boundary_of(head.content_type))
    check_length(head.length, limit, slack=FORM_SLACK_BYTES)
    await check_room(context.settings, head.length)
    async with (
        context.resources.blobs.writer(upload_key(task_id)) as blob,
        Intake(blob, limit, context.lanes.blocks) as intake,
    ):
        form = UploadForm(intake, limit=limit)
        await form.read(body, reader)
        upload, since = await intake.finish(upload_key(task_id)), Since()
        wanted = parse_options(form.pairs)
        options = await engine_options(wanted, context.settings, context.models)
    return await _submit(context, _task(context, task_id, form.filename, wanted, options, upload, head.key), since)


async def accept_raw(
    context: Context, body: Body, head: Head, pairs: list[tuple[str, str]], name: str | None
) -> Accepted:
    """The file itself as the body, the options beside it; they are checked before any of it is read.

    ``name``: what the file is called where they do not say it.
    """
    _check_raw_type(head.content_type)
    wanted = parse_options(pairs, besides={FILENAME})
    limit, task_id = context.settings.max_upload_bytes, str(uuid4())
    check_length(head.length, limit)
    await check_room(context.settings, head.length)
    options = await engine_options(wanted, context.settings, context.models)
    async with (
        context.resources.blobs.writer(upload_key(task_id)) as blob,
        Intake(blob, limit, context.lanes.blocks) as intake,
    ):
        async for data in body:
            await intake.add(data)
        upload, since = await intake.finish(upload_key(task_id)), Since()
    filename = dict(pairs).get(FILENAME) or name
    return await _submit(context, _task(context, task_id, filename, wanted, options, upload, head.key), since)


def upload_key(task_id: str) -> str:
    """Where the original of a task lies."""
    return f"uploads/{task_id}"


def _check_raw_type(content_type: str | None) -> None:
    if content_type is not None and content_type.lower().startswith("multipart/"):
        raise WrongBodyTypeError(
            "This route takes the file itself as the body. Send a form to POST /api/v1/tasks/upload instead."
        )


def _task(
    context: Context,
    task_id: str,
    filename: str | None,
    wanted: TaskOptions,
    options: Options,
    upload: Upload,
    key: str | None,
) -> Task:
    label = file_label(filename or DEFAULT)
    return Task(
        id=task_id,
        status=TaskStatus.QUEUED,
        filename=label,
        options=options,
        word_timestamps=wanted.word_timestamps,
        max_parallel_workers=wanted.max_parallel_workers,
        plan=context.settings.cut_plan,
        upload=upload,
        created_at=_now(),
        idempotency=remembered(key, upload, wanted, filename=label, language=options.language),
    )


async def _submit(context: Context, task: Task, since: Since) -> Accepted:
    """``since``: a moment before the upload was in its place."""
    settings = context.settings
    try:
        context.availability.check()
        remember = timedelta(seconds=settings.idempotency_seconds)
        stored = await accept(
            context.resources, task, remember=remember, late=lambda: since.seconds >= settings.orphan_seconds
        )
    except TransientError:
        # The write may have arrived although its answer did not, and a task without its upload would be worse than an
        # upload without its task: the sweeper removes that.
        log.warning("upload without an answer from the database", task_id=task.id)
        raise
    except PermanentError:
        await _drop(context, task)
        raise
    if stored.id == task.id:
        return Accepted(task=task, replayed=False)
    await _drop(context, task)
    return Accepted(task=as_accepted(stored), replayed=True)


async def _drop(context: Context, task: Task) -> None:
    """Remove an upload that no task has. What fails here is the sweeper's."""
    try:
        await context.resources.blobs.delete(task.upload.key)
    except TransientError as error:
        log.warning("upload not removed, the sweeper will", task_id=task.id, reason=error.message)


def as_accepted(task: Task) -> Task:
    """The task as its first answer told it, whatever became of it since."""
    given = task.idempotency.language if task.idempotency else None
    return Task(
        id=task.id,
        status=TaskStatus.QUEUED,
        filename=task.filename,
        options=replace(task.options, language=given),
        word_timestamps=task.word_timestamps,
        max_parallel_workers=task.max_parallel_workers,
        plan=task.plan,
        upload=task.upload,
        created_at=task.created_at,
        idempotency=task.idempotency,
    )


def _now() -> datetime:
    """To the millisecond, as the database keeps it: the first answer and every later one are the same."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
