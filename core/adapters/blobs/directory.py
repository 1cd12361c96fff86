"""Blobs as files of one directory.

Not obstore's local store: it leaves ``name#1`` files beside the blobs when the process is killed, its listing does
not show them, and it never calls fsync. Here unfinished files lie in ``.parts`` until they get their names, and what is
acknowledged is on disk. Several machines may share the directory.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from core.adapters.blobs.faults import disk_translated
from core.adapters.blobs.folders import make_folder, move_into_place, remove_empty, sync_folder, walk
from core.adapters.blobs.parts import PARTS, new_part, remove_dead_parts
from core.adapters.blobs.writeback import begin_writeback
from core.cancelling import on_thread
from core.errors import BlobNotFoundError, PermanentError
from core.ports import BlobInfo

WRITEBACK_BYTES = 4 * 1024 * 1024  # added to a file before the disk is told to begin with them


class DirectoryBlobs:
    """Implements :class:`core.ports.BlobStore`; all file work is done in threads."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        for folder in sorted(make_folder(self._root / PARTS) | {self._root}):
            sync_folder(folder)
        remove_dead_parts(self._root / PARTS)

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator["PartFile"]:
        """Stream into an unfinished file that gets its name when all of it is on disk."""
        target = self._path(key)
        part = await _begin(self._root / PARTS)
        try:
            yield part
            await asyncio.to_thread(part.commit, target)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(part.discard))
            raise

    async def put(self, key: str, data: bytes) -> None:
        """Store a small blob by one call on a thread: a long file has many, and each call wakes the loop."""
        await on_thread(partial(self._put, self._path(key), data))

    async def get(self, key: str) -> bytes:
        """All of a blob."""
        with disk_translated("the blob directory"):
            try:
                return await asyncio.to_thread(self._path(key).read_bytes)
            except FileNotFoundError as error:
                raise BlobNotFoundError(f"There is no blob {key!r}.") from error

    @asynccontextmanager
    async def local_file(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        """The blob's own file; ``scratch`` is not needed."""
        path = self._path(key)
        with disk_translated("the blob directory"):
            there = await asyncio.to_thread(path.is_file)
        if not there:
            raise BlobNotFoundError(f"There is no blob {key!r} (nothing to put in {scratch}).")
        yield path

    async def iterate(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Every blob under a prefix, folder by folder. A top-level listing first removes what dead writers left."""
        if "/" not in prefix:
            with disk_translated("the blob directory"):
                await asyncio.to_thread(remove_dead_parts, self._root / PARTS)
        folders = walk(self._path(prefix) if prefix else self._root)
        while True:
            with disk_translated("the blob directory"):
                files = await asyncio.to_thread(next, folders, None)
            if files is None:
                return
            for path, status in files:
                yield self._info(path, status)

    async def delete(self, *keys: str) -> None:
        """Remove blobs and the folders that this empties."""
        with disk_translated("the blob directory"):
            await asyncio.to_thread(self._delete, keys)

    async def check(self) -> None:
        """Begin a file, and leave nothing of it. Raises a ``TransientError``."""
        await asyncio.to_thread(lambda: PartFile(self._root / PARTS).discard())

    def _put(self, target: Path, data: bytes) -> None:
        part = PartFile(self._root / PARTS)
        try:
            part.append(data)
            part.commit(target)
        except BaseException:
            part.discard()
            raise

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key or any(part in {"", ".", ".."} or part.startswith(".") for part in parts):
            raise PermanentError(f"{key!r} is not a blob key.", code="invalid_blob_key")
        return self._root.joinpath(*parts)

    def _info(self, path: Path, status: os.stat_result) -> BlobInfo:
        return BlobInfo(
            key=path.relative_to(self._root).as_posix(),
            size_bytes=status.st_size,
            modified=datetime.fromtimestamp(status.st_mtime, UTC),
        )

    def _delete(self, keys: tuple[str, ...]) -> None:
        paths = [self._path(key) for key in keys]
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths}:
            remove_empty(folder, self._root)


async def _begin(folder: Path) -> "PartFile":
    """A new one. Its thread cannot be cancelled: what it makes for nobody is discarded."""
    making = asyncio.create_task(asyncio.to_thread(PartFile, folder))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        await asyncio.wait([making])
        if making.exception() is None:
            await asyncio.to_thread(making.result().discard)
        raise


class PartFile:
    """An unfinished file. Implements :class:`core.ports.BlobWriter`."""

    def __init__(self, folder: Path) -> None:
        with disk_translated("the blob directory"):
            self._path, self._file = new_part(folder)
        self._held = 0  # bytes that the disk was not told of yet

    async def write(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        """Append. The page cache takes it at memory speed or blocks, so it is done in a thread, ``beside`` as well."""
        await on_thread(partial(self.append, data, beside))

    def append(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        """The same, for who is on a thread already."""
        with disk_translated("the blob directory"):
            if beside is not None:
                beside(data)
            self._file.write(data)
        self._held += len(data)
        if self._held >= WRITEBACK_BYTES:
            begin_writeback(self._file.fileno())
            self._held = 0

    def commit(self, target: Path) -> None:
        """Force it to disk and give it its name, which replaces what had that name. Its lock goes last."""
        with disk_translated("the blob directory"):
            self._file.flush()
            os.fsync(self._file.fileno())
            move_into_place(self._path, target)
            self._file.close()

    def discard(self) -> None:
        """Leave nothing behind; what cannot be removed now is nobody's and goes with the next cleaning."""
        with suppress(OSError):  # a full disk refuses the last flush; the file goes anyway
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
