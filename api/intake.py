"""The bytes of one upload on their way to the blob store: counted, hashed, looked at, never held."""

import asyncio
import hashlib

from core.audio.sniff import SNIFF_BYTES, sniff
from core.errors import InvalidRequestError, UploadTooLargeError
from core.models import Upload
from core.ports import BlobWriter

BLOCK_BYTES = 512 * 1024  # bytes gathered before they are hashed and written: either costs a change of thread
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
    """One upload. ``add`` returns when the store has taken the bytes, so a slow disk slows the client down."""

    def __init__(self, blob: BlobWriter, limit: int) -> None:
        self._blob = blob
        self._limit = limit
        self._size = 0
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._looked = False

    async def add(self, data: bytes) -> None:
        """Take more bytes. Raises ``UploadTooLargeError``, ``UnsupportedMediaError``, ``StorageFullError``."""
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._waiting += data
        if not self._looked and len(self._waiting) >= SNIFF_BYTES:
            self._look()
        if len(self._waiting) >= BLOCK_BYTES:
            await self._flush()

    async def finish(self, key: str) -> Upload:
        """Everything is there. Raises ``InvalidRequestError`` (``empty_file``), or as :meth:`add` does."""
        if not self._size:
            raise InvalidRequestError("The file is empty. Send an audio or video file.", code="empty_file")
        if not self._looked:
            self._look()
        await self._flush()
        return Upload(key=key, size_bytes=self._size, sha256=self._hash.hexdigest())

    def _look(self) -> None:
        """Nothing has been written so far, so what is refused here never touched the disk."""
        sniff(bytes(self._waiting[:SNIFF_BYTES]))
        self._looked = True

    async def _flush(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        await asyncio.gather(asyncio.to_thread(self._hash.update, data), self._blob.write(data))
