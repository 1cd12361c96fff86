"""What every blob store must do. A suite subclasses this and gives a ``blobs`` fixture."""

import asyncio
import hashlib
import threading
from pathlib import Path

import pytest

from core.errors import BlobNotFoundError
from core.ports import BlobStore

MEGABYTE = 1024 * 1024


async def keys(blobs: BlobStore, prefix: str) -> list[str]:
    """What a listing shows."""
    return sorted([blob.key async for blob in blobs.iterate(prefix)])


class BlobContract:
    """The rules."""

    async def test_what_is_put_is_got(self, blobs: BlobStore):
        """Byte for byte."""
        await blobs.put("pcm/t/000001", b"\x00\x01\x02")
        assert await blobs.get("pcm/t/000001") == b"\x00\x01\x02"

    async def test_a_second_put_replaces_the_first(self, blobs: BlobStore):
        """All of it."""
        await blobs.put("pcm/t/1", b"a long one")
        await blobs.put("pcm/t/1", b"short")
        assert await blobs.get("pcm/t/1") == b"short"

    async def test_what_is_not_there_says_so(self, blobs: BlobStore, tmp_path: Path):
        """For reading as a whole and as a file alike."""
        with pytest.raises(BlobNotFoundError):
            await blobs.get("pcm/none")
        with pytest.raises(BlobNotFoundError):
            async with blobs.local_file("pcm/none", tmp_path):
                pass

    async def test_a_streamed_blob_is_there_when_its_block_ends(self, blobs: BlobStore):
        """Not before: a reader never sees half of it. Its size is right however it was written."""
        async with blobs.writer("uploads/a") as writer:
            for _ in range(12):
                await writer.write(b"x" * MEGABYTE)
            assert await keys(blobs, "uploads") == []
        (blob,) = [blob async for blob in blobs.iterate("uploads")]
        assert (blob.key, blob.size_bytes) == ("uploads/a", 12 * MEGABYTE)

    @pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
    async def test_a_failed_stream_leaves_nothing(self, blobs: BlobStore, error: BaseException):
        """Whether it was refused or the client went away."""
        with pytest.raises(type(error)):
            async with blobs.writer("uploads/a") as writer:
                await writer.write(b"x" * 6 * MEGABYTE)
                raise error
        assert await keys(blobs, "uploads") == []
        with pytest.raises(BlobNotFoundError):
            await blobs.get("uploads/a")

    async def test_a_hash_beside_the_blob_hears_the_same_bytes(self, blobs: BlobStore):
        """In the same order."""
        digest = hashlib.sha256()
        async with blobs.writer("uploads/a") as writer:
            for data in (b"one", b"two" * 2 * MEGABYTE, b"three"):
                await writer.write(data, digest.update)
        assert digest.digest() == hashlib.sha256(await blobs.get("uploads/a")).digest()

    async def test_a_write_that_is_cancelled_waits_for_its_thread(self, blobs: BlobStore):
        """So nothing is written behind the back of who gives the blob up; the cancellation is heard all the same."""
        begun, go_on = threading.Event(), threading.Event()

        def hold(_: bytes) -> None:
            begun.set()
            go_on.wait()

        with pytest.raises(ZeroDivisionError):
            async with blobs.writer("uploads/a") as writer:
                writing = asyncio.create_task(writer.write(b"x", hold))
                await asyncio.to_thread(begun.wait)
                writing.cancel()
                ended, _ = await asyncio.wait([writing], timeout=0.05)
                go_on.set()
                await asyncio.wait([writing])
                assert (ended, writing.cancelled()) == (set(), True)
                raise ZeroDivisionError

    async def test_listing_is_by_whole_path_segments(self, blobs: BlobStore):
        """``pcm/t1`` does not list ``pcm/t10``."""
        for key in ("pcm/t1/0", "pcm/t1/1", "pcm/t10/0", "uploads/t1"):
            await blobs.put(key, b"x")
        assert await keys(blobs, "pcm/t1") == ["pcm/t1/0", "pcm/t1/1"]
        assert await keys(blobs, "pcm") == ["pcm/t1/0", "pcm/t1/1", "pcm/t10/0"]

    async def test_a_store_that_is_there_can_be_looked_at(self, blobs: BlobStore):
        """And nothing is left of the look."""
        await blobs.check()
        assert await keys(blobs, "") == []

    async def test_deleting_twice_is_no_error(self, blobs: BlobStore):
        """Nor is deleting what was never there, together with what is."""
        await blobs.put("pcm/t/1", b"x")
        await blobs.delete("pcm/t/1", "pcm/t/none")
        await blobs.delete("pcm/t/1")
        assert await keys(blobs, "pcm") == []

    async def test_a_blob_can_be_read_as_a_file(self, blobs: BlobStore, tmp_path: Path):
        """With what it holds; a copy made for it is gone afterwards."""
        await blobs.put("uploads/a", b"audio")
        async with blobs.local_file("uploads/a", tmp_path / "scratch") as path:
            assert path.read_bytes() == b"audio"
        assert [file for file in (tmp_path / "scratch").rglob("*") if file.is_file()] == []
