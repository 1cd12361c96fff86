"""Where audio lies: a directory, or an object store behind a URL."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from core.adapters.blobs.directory import DirectoryBlobs
from core.adapters.blobs.objects import ObjectBlobs
from core.errors import InvalidRequestError
from core.ports import BlobStore

__all__ = ["DirectoryBlobs", "ObjectBlobs", "open_blobs"]


def open_blobs(url: str) -> BlobStore:
    """The store that ``STORAGE_URL`` names: ``file:///path`` or ``memory://``."""
    parts = urlparse(url)
    if parts.scheme == "memory":
        return ObjectBlobs.in_memory()
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return DirectoryBlobs(Path(unquote(parts.path)))
    raise InvalidRequestError(
        f"STORAGE_URL {url!r} is not understood. Use file:///absolute/path.", code="invalid_settings"
    )
