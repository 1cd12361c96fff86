"""Blobs in an object store, by obstore: S3-compatible, or memory for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import obstore
from obstore.store import MemoryStore

from core.adapters.blobs.copies import Copy
from core.adapters.blobs.faults import Place, translated
from core.adapters.blobs.object_writer import ObjectWriter, Store
from core.cancelling import on_thread
from core.errors import BlobNotFoundError
from core.ports import BlobInfo

PAGE_KEYS = 1000  # what S3 lists, and deletes, in one request
COPY_BYTES = 4 * 1024 * 1024
PROBE = ".probe"  # a key that is never written
DEADLINE_SECONDS = 10.0


class ObjectBlobs:
    """Implements :class:`core.ports.BlobStore`. A store that is away is a ``TransientError`` within the deadline."""

    def __init__(
        self, store: Store, *, name: str = "The blob store", deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._store = store
        self._place = Place(name=name, deadline_seconds=deadline_seconds)

    @classmethod
    def in_memory(cls) -> "ObjectBlobs":
        """A store that lives as long as this object."""
        return cls(MemoryStore())

    async def check(self) -> None:
        """Ask the store for something. Raises ``MisplacedError`` where settings are wrong, else ``TransientError``."""
        try:
            await self.get(PROBE)
        except BlobNotFoundError:
            return

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[ObjectWriter]:
        """Stream parts; the object appears when the block ends. A block that fails leaves nothing in the bucket."""
        stream = ObjectWriter(self._store, key, self._place)
        try:
            yield stream
            await stream.commit()
        except BaseException:
            await asyncio.shield(stream.discard())
            raise

    async def put(self, key: str, data: bytes) -> None:
        """Store a small blob at once."""
        async with self._asking():
            await obstore.put_async(self._store, key, data, use_multipart=False)

    async def get(self, key: str) -> bytes:
        """All of a blob."""
        async with self._asking():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    @asynccontextmanager
    async def local_file(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        """A copy in ``scratch`` that is removed afterwards."""
        copy = Copy(scratch)
        try:
            await on_thread(copy.begin)
            await self._download(key, copy)
            yield copy.path
        finally:
            await asyncio.to_thread(copy.discard)

    async def iterate(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Every object under a prefix; the next page is asked for when the one before has been used."""
        pages = obstore.list(self._store, prefix=prefix or None, chunk_size=PAGE_KEYS)
        while True:
            async with self._asking():
                page = await anext(pages, None)
            if page is None:
                return
            for entry in page:
                yield BlobInfo(key=entry["path"], size_bytes=entry["size"], modified=entry["last_modified"])

    async def delete(self, *keys: str) -> None:
        """Remove objects, a thousand in a request; those that are not there are no error."""
        for first in range(0, len(keys), PAGE_KEYS):
            try:
                async with self._asking():
                    await obstore.delete_async(self._store, keys[first : first + PAGE_KEYS])
            except BlobNotFoundError:
                continue

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """One request: its deadline, and its faults in sentences."""
        async with translated(self._place), asyncio.timeout(self._place.deadline_seconds):
            yield

    async def _download(self, key: str, copy: Copy) -> None:
        """By ranges, each a request with a deadline of its own: a long file may take long, a stalled one not."""
        async with self._asking():
            size = (await obstore.head_async(self._store, key))["size"]
        for start in range(0, size, COPY_BYTES):
            async with translated(self._place):
                piece = await obstore.get_range_async(self._store, key, start=start, end=min(start + COPY_BYTES, size))
            await on_thread(partial(copy.append, piece))
