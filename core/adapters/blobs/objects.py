"""Blobs in an object store, by obstore. Memory for tests; the same code serves S3-compatible stores."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import MemoryStore

from core.errors import BlobNotFoundError, TransientError
from core.ports import BlobInfo

WRITE_BYTES = 5 * 1024 * 1024  # the smallest part that S3 takes, one in flight: memory stays at about twice this
COPY_BYTES = 1024 * 1024


class ObjectBlobs:
    """Implements :class:`core.ports.BlobStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @classmethod
    def in_memory(cls) -> "ObjectBlobs":
        """A store that lives as long as this object."""
        return cls(MemoryStore())

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator["ObjectWriter"]:
        """Stream parts; the object appears when they are completed. Parts of a failed upload are never completed."""
        stream = obstore.open_writer_async(self._store, key, buffer_size=WRITE_BYTES, max_concurrency=1)
        yield ObjectWriter(stream)
        with _translated():
            await stream.close()

    async def put(self, key: str, data: bytes) -> None:
        """Store a small blob at once."""
        with _translated():
            await obstore.put_async(self._store, key, data, use_multipart=False)

    async def get(self, key: str) -> bytes:
        """All of a blob."""
        with _translated():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    @asynccontextmanager
    async def local_file(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        """A copy in ``scratch`` that is removed afterwards."""
        copy = await asyncio.to_thread(_new_file, scratch)
        try:
            await self._download(key, copy)
            yield copy
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)

    async def iterate(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Every object under a prefix, a page at a time."""
        async for page in obstore.list(self._store, prefix=prefix or None):
            for entry in page:
                yield BlobInfo(key=entry["path"], size_bytes=entry["size"], modified=entry["last_modified"])

    async def delete(self, *keys: str) -> None:
        """Remove objects; those that are not there are no error."""
        for key in keys:
            try:
                with _translated():
                    await obstore.delete_async(self._store, key)
            except BlobNotFoundError:
                continue

    async def _download(self, key: str, target: Path) -> None:
        with target.open("wb") as file, _translated():
            result = await obstore.get_async(self._store, key)
            async for part in result.stream(min_chunk_size=COPY_BYTES):
                await asyncio.to_thread(file.write, part)


class ObjectWriter:
    """An object being written. Implements :class:`core.ports.BlobWriter`."""

    def __init__(self, stream: "obstore.AsyncWritableFile") -> None:
        self._stream = stream

    async def write(self, data: bytes) -> None:
        """Append; a part that is full goes to the store."""
        with _translated():
            await self._stream.write(data)


def _new_file(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    return Path(name)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFoundError(f"There is no such blob: {error}") from error
    except (OSError, BaseError) as error:
        raise TransientError(f"The blob store failed: {error}", code="storage_unavailable") from error
