"""Room on the disk that uploads go to, where that is a disk of this machine."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

from core.config import Settings
from core.errors import StorageFullError


def blob_folder(settings: Settings) -> Path | None:
    """Where blobs lie; None for an object store."""
    url = urlparse(settings.blobs_url)
    return Path(unquote(url.path)) if url.scheme == "file" else None


async def check_room(settings: Settings, declared: str | None) -> None:
    """Refuse what plainly does not fit, by its Content-Length, before it is read. Raises ``StorageFullError``."""
    folder = blob_folder(settings)
    if folder is None or declared is None or not declared.isdecimal():
        return
    try:
        free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
    except OSError:
        return  # writing to it will tell what is wrong
    if int(declared) > free:
        raise StorageFullError("The disk has less room than the upload needs. Free some space, then send it again.")
