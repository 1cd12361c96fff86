"""Streaming into an object store, so that a block that fails leaves neither an object nor an unfinished upload.

obstore's own buffered writer cannot be told to give up: its parts would stay in the bucket, unseen and paid for. A put
from an iterator aborts the multipart upload when the iterator raises, so that is how the parts are handed over here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import obstore
import structlog
from obstore.store import MemoryStore, S3Store

from core.adapters.blobs.faults import Place, translated
from core.cancelling import on_thread

log = structlog.get_logger()

PART_BYTES = 5 * 1024 * 1024  # the smallest part that S3 takes; less than this is put at once
PIECE_BYTES = 1024 * 1024  # handed over at a time
GIVE_UP_SECONDS = 10.0  # for aborting; longer than this the store is away and its own rule has to clean up

Store = MemoryStore | S3Store


class _GivenUpError(Exception):
    """Ends the iterator, so that obstore aborts the upload."""


class ObjectWriter:
    """An object being written, one part in flight: about 12 MB. Implements :class:`core.ports.BlobWriter`."""

    def __init__(self, store: Store, key: str, place: Place) -> None:
        self._store = store
        self._key = key
        self._place = place
        self._held = bytearray()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._upload: asyncio.Task[object] | None = None
        self._given_up = False

    async def write(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        """Append; full parts go to the store. Waits while one is under way."""
        if beside is not None:
            await on_thread(partial(beside, data))
        self._held += data
        if len(self._held) >= (PIECE_BYTES if self._upload else PART_BYTES):
            piece, self._held = bytes(self._held), bytearray()
            await self._hand_over(piece)

    async def commit(self) -> None:
        """Complete the object; from now on it is seen, all of it."""
        if self._upload is None:
            async with translated(self._place), asyncio.timeout(self._place.deadline_seconds):
                await obstore.put_async(self._store, self._key, bytes(self._held), use_multipart=False)
            return
        await self._hand_over(bytes(self._held))
        await self._hand_over(None)
        async with translated(self._place):
            await asyncio.shield(self._upload)  # the driver's own time-outs end it

    async def discard(self) -> None:
        """Abort the upload; an object that was completed at this very moment is removed again. Never raises."""
        if self._upload is None:
            return
        self._given_up = True
        if not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(b"")  # wakes the iterator
        await asyncio.wait({self._upload}, timeout=GIVE_UP_SECONDS)
        if not self._upload.done():
            self._upload.cancel()
            log.warning("unfinished upload left in the blob store", key=self._key)
        elif self._upload.exception() is None:
            await self._remove()

    async def _hand_over(self, piece: bytes | None) -> None:
        """Returns when the upload has room for it; raises what ended the upload."""
        self._upload = self._upload or asyncio.create_task(self._run())
        giving = asyncio.create_task(self._pieces.put(piece))
        try:
            await asyncio.wait({giving, self._upload}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            giving.cancel()
        if self._upload.done():
            async with translated(self._place):
                self._upload.result()

    async def _run(self) -> None:
        await obstore.put_async(
            self._store, self._key, self._read(), use_multipart=True, chunk_size=PART_BYTES, max_concurrency=1
        )

    async def _read(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if self._given_up:
                raise _GivenUpError
            yield piece

    async def _remove(self) -> None:
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await obstore.delete_async(self._store, self._key)
        except Exception as error:  # noqa: BLE001 - the sweeper removes what no task knows
            log.warning("unwanted blob left in the blob store", key=self._key, error=str(error))
