"""Taking an upload in: stream it to the blob store, then store its task."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from api.context import Context
from api.faults import WrongBodyTypeError
from api.form import UploadForm
from api.intake import FORM_SLACK_BYTES, Intake, check_length
from api.labels import DEFAULT, file_label
from api.multipart import FormReader, boundary_of
from api.options import TaskOptions, engine_options, parse_options
from core.errors import TransientError
from core.flow.submit import submit
from core.models import Options, Task, Upload
from core.states import TaskStatus

log = structlog.get_logger()

Body = AsyncIterator[bytes]


async def accept_form(context: Context, body: Body, content_type: str | None, length: str | None) -> Task:
    """A multipart form with the file and the options in it. Nothing is left of what is refused."""
    limit, key_id = context.settings.max_upload_bytes, str(uuid4())
    reader = FormReader(boundary_of(content_type))
    check_length(length, limit, slack=FORM_SLACK_BYTES)
    async with context.resources.blobs.writer(upload_key(key_id)) as blob:
        intake = Intake(blob, limit)
        form = UploadForm(intake, limit=limit)
        await form.read(body, reader)
        upload = await intake.finish(upload_key(key_id))
        wanted = parse_options(form.pairs)
        options = await engine_options(wanted, context.settings, context.models)
    return await _submit(context, key_id, form.filename, wanted, options, upload)


async def accept_raw(
    context: Context,
    body: Body,
    pairs: list[tuple[str, str]],
    *,
    filename: str | None,
    content_type: str | None,
    length: str | None,
) -> Task:
    """The file itself as the body, the options beside it; they are checked before any of it is read."""
    _check_raw_type(content_type)
    wanted = parse_options(pairs)
    limit, key_id = context.settings.max_upload_bytes, str(uuid4())
    check_length(length, limit)
    options = await engine_options(wanted, context.settings, context.models)
    async with context.resources.blobs.writer(upload_key(key_id)) as blob:
        intake = Intake(blob, limit)
        async for data in body:
            await intake.add(data)
        upload = await intake.finish(upload_key(key_id))
    return await _submit(context, key_id, filename, wanted, options, upload)


def upload_key(task_id: str) -> str:
    """Where the original of a task lies."""
    return f"uploads/{task_id}"


def _check_raw_type(content_type: str | None) -> None:
    if content_type is not None and content_type.lower().startswith("multipart/"):
        raise WrongBodyTypeError(
            "This route takes the file itself as the body. Send a form to POST /api/v1/tasks/upload instead."
        )


async def _submit(
    context: Context, task_id: str, filename: str | None, wanted: TaskOptions, options: Options, upload: Upload
) -> Task:
    task = Task(
        id=task_id,
        status=TaskStatus.QUEUED,
        filename=file_label(filename or DEFAULT),
        options=options,
        word_timestamps=wanted.word_timestamps,
        max_parallel_workers=wanted.max_parallel_workers,
        plan=context.settings.cut_plan,
        upload=upload,
        created_at=_now(),
    )
    try:
        await submit(context.resources, task)
    except TransientError:
        # The write may have arrived although its answer did not, and a task without its upload would be worse than an
        # upload without its task: the sweeper removes that.
        log.warning("upload without an answer from the database", task_id=task_id)
        raise
    return task


def _now() -> datetime:
    """To the millisecond, as the database keeps it: the first answer and every later one are the same."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
