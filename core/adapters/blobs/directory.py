"""Blobs as files of one directory.

Not obstore's local store: it leaves ``name#1`` files beside the blobs when the process is killed, its listing does
not show them, and it never calls fsync. Here unfinished files lie in ``.parts``, and what is acknowledged is on disk.
"""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from core.errors import BlobNotFoundError, PermanentError, StorageFullError, TransientError
from core.ports import BlobInfo

PARTS = ".parts"
PART_SECONDS = 24 * 3600  # longer than any upload lasts; an unfinished file this old belongs to nobody


class DirectoryBlobs:
    """Implements :class:`core.ports.BlobStore`; all file work is done in threads."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        (self._root / PARTS).mkdir(parents=True, exist_ok=True)
        _remove_old_parts(self._root / PARTS)

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator["PartFile"]:
        """Stream into an unfinished file that gets its name when all of it is on disk."""
        target = self._path(key)
        part = await asyncio.to_thread(PartFile, self._root / PARTS / uuid4().hex)
        try:
            yield part
            await asyncio.to_thread(part.commit, target)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(part.discard))
            raise

    async def put(self, key: str, data: bytes) -> None:
        """Store a small blob at once."""
        async with self.writer(key) as part:
            await part.write(data)

    async def get(self, key: str) -> bytes:
        """All of a blob."""
        with _translated():
            return await asyncio.to_thread(self._path(key).read_bytes)

    @asynccontextmanager
    async def local_file(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        """The blob's own file; ``scratch`` is not needed."""
        path = self._path(key)
        if not await asyncio.to_thread(path.is_file):
            raise BlobNotFoundError(f"There is no blob {key!r} (nothing to put in {scratch}).")
        yield path

    async def iterate(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Every blob under a prefix, folder by folder."""
        start = self._path(prefix) if prefix else self._root
        for folder in await asyncio.to_thread(lambda: [start, *(p for p in start.rglob("*") if p.is_dir())]):
            for blob in await asyncio.to_thread(self._files, folder):
                yield blob

    async def delete(self, *keys: str) -> None:
        """Remove blobs and the folders that this empties."""
        await asyncio.to_thread(self._delete, keys)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key or any(part in {"", ".", ".."} or part.startswith(".") for part in parts):
            raise PermanentError(f"{key!r} is not a blob key.", code="invalid_blob_key")
        return self._root.joinpath(*parts)

    def _files(self, folder: Path) -> list[BlobInfo]:
        if folder == self._root / PARTS or not folder.is_dir():
            return []
        entries = [(entry, _stat(entry)) for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
        return [
            BlobInfo(
                key=Path(entry.path).relative_to(self._root).as_posix(),
                size_bytes=stat.st_size,
                modified=datetime.fromtimestamp(stat.st_mtime, UTC),
            )
            for entry, stat in entries
            if stat is not None
        ]

    def _delete(self, keys: tuple[str, ...]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            path.unlink(missing_ok=True)
            folders.add(path.parent)
        for folder in folders:
            _remove_empty(folder, self._root)


class PartFile:
    """An unfinished file. Implements :class:`core.ports.BlobWriter`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _translated():
            self._file: BinaryIO = path.open("xb")

    async def write(self, data: bytes) -> None:
        """Append. The page cache takes it at memory speed or blocks, so it is done in a thread."""
        with _translated():
            await asyncio.to_thread(self._file.write, data)

    def commit(self, target: Path) -> None:
        """Force it to disk and give it its name, which replaces what had that name."""
        with _translated():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            _rename(self._path, target)
            _sync_folder(target.parent)

    def discard(self) -> None:
        """Leave nothing behind."""
        try:
            self._file.close()
        except OSError:
            pass  # a full disk refuses the last flush; the file goes anyway
        finally:
            self._path.unlink(missing_ok=True)


def _rename(part: Path, target: Path) -> None:
    """A concurrent delete may remove the emptied folder between making it and moving into it."""
    for _ in range(10):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.replace(target)
        except FileNotFoundError:
            continue
        return
    part.replace(target)


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return  # deleted again already
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _remove_old_parts(parts: Path) -> None:
    for part in parts.iterdir():
        if time.time() - part.stat().st_mtime > PART_SECONDS:
            part.unlink(missing_ok=True)


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFoundError(f"There is no blob at {error.filename}.") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFullError("The disk is full. Free some space, then send it again.") from error
        raise TransientError(f"The blob directory failed: {error}", code="storage_unavailable") from error
