"""The contract of blobs, and what else is promised of a bucket, on a real S3 server over HTTP."""

import asyncio
import contextlib
from pathlib import Path

import psutil
import pytest

from core.adapters.blobs import ObjectBlobs, open_blobs
from core.errors import InvalidRequestError
from tests.contracts.blob_contract import MEGABYTE, BlobContract, keys
from tests.support.peak import peak_during
from tests.support.s3 import S3Server

MOST_BYTES = 30 * MEGABYTE  # beside what the process had: the parts of one upload, and the allocator's slack


class TestS3(BlobContract):
    """A folder of a bucket."""

    @pytest.fixture
    async def blobs(self, s3: S3Server):
        """An empty one."""
        return await open_blobs(s3.settings(s3.make_bucket(), "a folder/below"))

    async def test_an_empty_stream_is_an_empty_blob(self, blobs):
        """Nothing written is something stored."""
        async with blobs.writer("uploads/a"):
            pass
        assert await blobs.get("uploads/a") == b""


@pytest.mark.parametrize("size", [1, 5 * MEGABYTE - 1, 5 * MEGABYTE, 5 * MEGABYTE + 1, 11 * MEGABYTE])
async def test_what_is_streamed_is_got_whatever_its_size(s3, tmp_path, size):
    """On both sides of where a single request becomes a multipart upload."""
    data = bytes(index * 7 % 251 for index in range(1000)) * (size // 1000 + 1)
    blobs = await open_blobs(s3.settings(s3.make_bucket()))
    async with blobs.writer("uploads/a") as writer:
        for start in range(0, size, 300_000):
            await writer.write(data[start : min(start + 300_000, size)])
    assert await blobs.get("uploads/a") == data[:size]
    async with blobs.local_file("uploads/a", tmp_path) as path:
        assert path.read_bytes() == data[:size]


async def test_folders_of_one_bucket_do_not_see_each_other(s3):
    """Neither in listings nor when reading or deleting; also where one name begins like the other."""
    bucket = s3.make_bucket()
    one, two, root = [await open_blobs(s3.settings(bucket, folder)) for folder in ("a", "ab", "")]
    await one.put("pcm/t/1", b"one")
    await two.put("pcm/t/1", b"two")
    assert (await keys(one, "pcm"), await keys(two, "")) == (["pcm/t/1"], ["pcm/t/1"])
    assert await keys(root, "") == ["a/pcm/t/1", "ab/pcm/t/1"]
    await one.delete("pcm/t/1")
    assert await two.get("pcm/t/1") == b"two"


async def test_more_than_a_page_is_listed_and_deleted(s3):
    """A thousand is what one request lists, and deletes."""
    blobs = await open_blobs(s3.settings(s3.make_bucket()))
    names = [f"pcm/t/{number:06}" for number in range(1_001)]
    for first in range(0, len(names), 77):
        await asyncio.gather(*(blobs.put(name, b"x") for name in names[first : first + 77]))
    assert await keys(blobs, "pcm/t") == names
    await blobs.delete(*names, "pcm/t/none")
    assert await keys(blobs, "") == []


async def test_a_hundred_megabytes_pass_through_little_memory(s3):
    """However long the upload: only the part that is filled and the one on its way are held."""
    blobs = await open_blobs(s3.settings(s3.make_bucket()))
    block, me = b"x" * 65_536, psutil.Process()
    await _stream(blobs, block, 12 * MEGABYTE)  # what the first upload loads and keeps
    before = me.memory_info().rss
    with peak_during(lambda: me.memory_info().rss) as peak:
        await _stream(blobs, block, 100 * MEGABYTE)
    print(f"{(peak.bytes - before) / 1e6:.0f} MB more while 100 MB passed")  # noqa: T201 - the figure
    assert peak.bytes - before < MOST_BYTES


async def _stream(blobs, block, size):
    async with blobs.writer("uploads/a") as writer:
        for _ in range(size // len(block)):
            await writer.write(block)


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_a_failed_stream_leaves_no_parts(s3, error):
    """They would be seen by nobody and be paid for. While it is written there are some, so the test can fail."""
    bucket = s3.make_bucket()
    blobs = await open_blobs(s3.settings(bucket, "f"))
    with pytest.raises(type(error)):
        async with blobs.writer("uploads/a") as writer:
            for _ in range(14):
                await writer.write(b"x" * MEGABYTE)
            assert s3.uploads(bucket) == ["f/uploads/a"]
            raise error
    assert (s3.uploads(bucket), s3.keys(bucket)) == ([], [])


@pytest.mark.parametrize("pieces", [0, 6, 12, 13, 14, 20])
async def test_a_writer_cancelled_at_any_moment_leaves_nothing(s3, pieces):
    """While a part is on its way, between parts, and while the object is completed."""
    bucket = s3.make_bucket()
    blobs = await open_blobs(s3.settings(bucket))
    reached = asyncio.Event()

    async def write():
        async with blobs.writer("uploads/a") as writer:
            for number in range(20):
                if number == pieces:
                    reached.set()
                await writer.write(b"x" * MEGABYTE)
            reached.set()

    writing = asyncio.create_task(write())
    await reached.wait()
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (s3.uploads(bucket), s3.keys(bucket)) == ([], [])


async def test_a_listing_asks_for_pages_as_they_are_used(s3):
    """Whoever stops early has not waited for the rest; and nothing is left open."""
    blobs = await open_blobs(s3.settings(s3.make_bucket()))
    await blobs.put("pcm/t/1", b"x")
    async with contextlib.aclosing(blobs.iterate("pcm")) as found:
        assert (await anext(found)).key == "pcm/t/1"


async def test_a_bucket_that_is_not_there_is_told_at_the_start(s3):
    """In one sentence that names it and the setting."""
    with pytest.raises(
        InvalidRequestError, match=r"The bucket none-such at http.* does not exist.*STORAGE_URL"
    ) as told:
        await open_blobs(s3.settings("none-such"))
    assert told.value.code == "invalid_settings"


async def test_a_wrong_key_is_told_at_the_start(own_s3):
    """The right one is let in, so it is the key that was refused."""
    bucket = own_s3.make_bucket()
    key, secret = own_s3.demand_keys()
    for wrong in ({"aws_access_key_id": "AKIAWRONG"}, {"aws_secret_access_key": "wrong"}):
        given = {"aws_access_key_id": key, "aws_secret_access_key": secret, **wrong}
        with pytest.raises(InvalidRequestError, match=r"refuses the key.*AWS_ACCESS_KEY_ID") as told:
            await open_blobs(own_s3.settings(bucket, **given))
        assert told.value.code == "invalid_settings"
        assert secret not in told.value.message
    right = own_s3.settings(bucket, aws_access_key_id=key, aws_secret_access_key=secret)
    assert isinstance(await open_blobs(right), ObjectBlobs)


async def test_a_copy_for_the_decoder_goes_with_its_block(s3, tmp_path: Path):
    """Also where the block fails."""
    blobs = await open_blobs(s3.settings(s3.make_bucket()))
    await blobs.put("uploads/a", b"audio")
    with pytest.raises(ValueError, match="no"):
        async with blobs.local_file("uploads/a", tmp_path):
            raise ValueError("no")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
