"""The bytes of one upload on their way to the blob store: counted, hashed, looked at, never held."""

import asyncio
import hashlib
from typing import Self

from core.audio.sniff import SNIFF_BYTES, sniff
from core.errors import InvalidRequestError, UploadTooLargeError
from core.models import Upload
from core.ports import BlobWriter

BLOCK_BYTES = 512 * 1024  # bytes gathered before they are hashed and written: that costs a change of thread
MOST_PIECES = 1_024  # held one by one: as an object of its own a byte or two takes twenty times its size
FORM_SLACK_BYTES = 1024 * 1024  # what a form may have around its file: boundaries, headers and all other fields


def check_length(declared: str | None, limit: int, *, slack: int = 0) -> None:
    """Refuse by the Content-Length, before any of the body is read. Raises ``UploadTooLargeError``."""
    if declared is not None and declared.isdecimal() and int(declared) > limit + slack:
        raise too_large(limit)


def too_large(limit: int) -> UploadTooLargeError:
    """The refusal, in words that name the setting."""
    return UploadTooLargeError(
        f"The upload has more than {limit} bytes, which is all that this server takes (MAX_UPLOAD_BYTES). "
        "Compress the audio, cut it, or raise the limit."
    )


class Intake:
    """One upload, for the length of an ``async with`` that ends before its blob's does.

    One block at most is hashed and written while the next is received: a slow disk slows the client down. Whatever ends
    the ``async with``, no block is under way after it, unless it is told to end twice. What a write raises, the next
    ``add`` or ``finish`` raises.
    """

    def __init__(self, blob: BlobWriter, limit: int, places: asyncio.Semaphore) -> None:
        """``limit``: in bytes. ``places``: how many blocks of all uploads may be under way together."""
        self._blob = blob
        self._limit = limit
        self._places = places
        self._size = 0
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._looked = False
        self._block: asyncio.Task[None] | None = None  # under way, or ended and not yet asked how

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._block is not None:
            self._block.cancel()
            await asyncio.gather(self._block, return_exceptions=True)

    async def add(self, data: bytes) -> None:
        """Take more bytes. Raises ``UploadTooLargeError``, ``UnsupportedMediaError``, ``StorageFullError``."""
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._hold(data)
        if not self._looked and self._waiting_bytes >= SNIFF_BYTES:
            self._look()
        if self._waiting_bytes >= BLOCK_BYTES:
            await self._flush()
        elif self._block is not None and self._block.done():
            await self._settle()

    async def finish(self, key: str) -> Upload:
        """Everything is there and written. Raises ``InvalidRequestError`` (``empty_file``), or as :meth:`add` does."""
        if not self._size:
            raise InvalidRequestError("The file is empty. Send an audio or video file.", code="empty_file")
        if not self._looked:
            self._look()
        if self._waiting_bytes:
            await self._flush()
        await self._settle()
        return Upload(key=key, size_bytes=self._size, sha256=self._hash.hexdigest())

    def _hold(self, data: bytes) -> None:
        """Until there is a block. Not in one buffer: that is copied as it grows, and again to be handed on."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if len(self._waiting) >= MOST_PIECES:
            self._waiting = [b"".join(self._waiting)]

    def _look(self) -> None:
        """Nothing has been written so far, so what is refused here never touched the disk."""
        sniff(b"".join(self._waiting)[:SNIFF_BYTES])
        self._looked = True

    async def _flush(self) -> None:
        """Send what waits on its way, once the block before it has arrived."""
        await self._settle()
        data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        # No TaskGroup: that would break off a wait for the client, and would tell of the error in a group.
        self._block = asyncio.create_task(self._take(data))

    async def _settle(self) -> None:
        """Wait for the block under way; raises what it ended with."""
        if self._block is not None:
            await self._block
            self._block = None

    async def _take(self, data: bytes) -> None:
        async with self._places:
            await self._blob.write(data, self._hash.update)
