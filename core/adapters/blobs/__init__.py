"""Where audio lies: a directory, or an object store behind a URL."""

import asyncio
from pathlib import Path
from urllib.parse import ParseResult, unquote, urlparse

import structlog

from core.adapters.blobs.copies import remove_dead_copies
from core.adapters.blobs.directory import DirectoryBlobs
from core.adapters.blobs.faults import MisplacedError
from core.adapters.blobs.objects import ObjectBlobs
from core.adapters.blobs.s3 import s3_blobs
from core.config import Settings
from core.errors import InvalidRequestError, TransientError
from core.ports import BlobStore

__all__ = ["DirectoryBlobs", "ObjectBlobs", "open_blobs"]

log = structlog.get_logger()


async def open_blobs(settings: Settings) -> BlobStore:
    """The store that ``STORAGE_URL`` names: ``file:///path``, ``s3://bucket/folder`` or ``memory://``.

    Raises ``InvalidRequestError`` (``invalid_settings``) for what only another setting mends: an address that is not
    understood, a directory that cannot be written, a bucket that does not exist, a key that it refuses. A store that
    is merely away is waited for by whoever needs it: this returns.
    """
    await asyncio.to_thread(remove_dead_copies, settings.scratch_dir)  # of this store, or of one that was set before
    url = urlparse(settings.blobs_url)
    if url.scheme == "memory":
        return ObjectBlobs.in_memory()
    if url.scheme == "s3":
        return await _reachable(s3_blobs(url, settings))
    if url.scheme == "file" and not url.netloc and url.path.startswith("/"):
        return await asyncio.to_thread(_directory, url)
    raise InvalidRequestError(
        f"STORAGE_URL {_shown(url)!r} is not understood. Use file:///absolute/path or s3://bucket/folder.",
        code="invalid_settings",
    )


def _shown(url: ParseResult) -> str:
    """Without a password that somebody may have put there."""
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


def _directory(url: ParseResult) -> DirectoryBlobs:
    path = Path(unquote(url.path))
    try:
        return DirectoryBlobs(path)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise InvalidRequestError(
            f"Blobs cannot be kept in {path}: {error.strerror}. Change STORAGE_URL or DATA_DIR, or the rights there.",
            code="invalid_settings",
        ) from error


async def _reachable(blobs: ObjectBlobs) -> ObjectBlobs:
    try:
        await blobs.check()
    except MisplacedError as error:
        raise InvalidRequestError(error.message, code="invalid_settings") from error
    except TransientError as error:
        log.warning("the blob store is away; what needs it waits", reason=error.message)
    return blobs
