"""What has to work before this process can be sent requests."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

from api.context import Context
from core.errors import TransientError

DEADLINE_SECONDS = 2.0
LEAST_FREE_BYTES = 64 * 1024 * 1024
OK = "ok"


async def run_checks(context: Context, *, deadline_seconds: float = DEADLINE_SECONDS) -> dict[str, str]:
    """Name of the check to ``ok`` or a sentence; what the composition root checks is added to these."""
    database, storage = await asyncio.gather(_database(context, deadline_seconds), asyncio.to_thread(_storage, context))
    more = await context.ready() if context.ready is not None else {}
    return {"database": database, "storage": storage, **more}


async def _database(context: Context, deadline_seconds: float) -> str:
    """One read by id that finds nothing."""
    try:
        async with asyncio.timeout(deadline_seconds):
            await context.resources.tasks.get("readyz")
    except (TimeoutError, TransientError):
        return f"The database did not answer within {deadline_seconds:g} s. Check MONGO_URL and whether it runs."
    return OK


def _storage(context: Context) -> str:
    url = urlparse(context.settings.blobs_url)
    if url.scheme != "file":
        return OK
    folder = Path(unquote(url.path))
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"The blob directory {folder} cannot be read: {error.strerror}."
    if free < LEAST_FREE_BYTES:
        return f"The disk of {folder} has {free} bytes free, which is less than {LEAST_FREE_BYTES}. Free some space."
    return OK
