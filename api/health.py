"""What has to work before this process can be sent requests."""

import asyncio
import shutil

from api.context import Context
from api.room import blob_folder
from core.adapters.mongo.client import patience
from core.errors import TransientError

DEADLINE_SECONDS = 2.0
LEAST_FREE_BYTES = 64 * 1024 * 1024
OK = "ok"


async def run_checks(context: Context, *, deadline_seconds: float = DEADLINE_SECONDS) -> dict[str, str]:
    """Name of the check to ``ok`` or a sentence; what the composition root checks is added to these."""
    with patience(deadline_seconds):
        database, backlog, broker, storage = await asyncio.gather(
            _database(context, deadline_seconds),
            _backlog(context, deadline_seconds),
            _broker(context, deadline_seconds),
            _storage(context, deadline_seconds),
        )
    more = await context.ready() if context.ready is not None else {}
    return {"database": database, "broker": broker, "storage": storage, "backlog": backlog, **more}


async def _database(context: Context, deadline_seconds: float) -> str:
    """One read by id that finds nothing."""
    try:
        async with asyncio.timeout(deadline_seconds):
            await context.resources.tasks.get("readyz")
    except (TimeoutError, TransientError):
        return f"The database did not answer within {deadline_seconds:g} s. Check MONGO_URL and whether it runs."
    return OK


async def _backlog(context: Context, deadline_seconds: float) -> str:
    try:
        async with asyncio.timeout(deadline_seconds):
            full = await context.backlog.full()
    except (TimeoutError, TransientError):
        return "How many tasks wait is not known, since the database did not answer."
    return f"{context.backlog.sentence} Uploads are refused until a worker has taken some." if full else OK


async def _broker(context: Context, deadline_seconds: float) -> str:
    try:
        async with asyncio.timeout(deadline_seconds):
            return await context.resources.broker.check() or OK
    except TimeoutError:
        return f"The broker did not answer within {deadline_seconds:g} s. Check RABBITMQ_URL and whether it runs."


async def _storage(context: Context, deadline_seconds: float) -> str:
    said = await context.storage.look(lambda: _kept(context), deadline_seconds)
    return said or f"Where blobs are kept did not answer within {deadline_seconds:g} s. Check STORAGE_URL."


async def _kept(context: Context) -> str:
    if reason := await asyncio.to_thread(_no_room, context):
        return reason
    try:
        await context.resources.blobs.check()
    except TransientError as error:
        return error.message
    return OK


def _no_room(context: Context) -> str | None:
    folder = blob_folder(context.settings)
    if folder is None:
        return None
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"The blob directory {folder} cannot be read: {error.strerror}."
    if free < LEAST_FREE_BYTES:
        return f"The disk of {folder} has {free} bytes free, which is less than {LEAST_FREE_BYTES}. Free some space."
    return None
