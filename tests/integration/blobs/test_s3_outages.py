"""A store that dies, hangs, is full or was never there: an error within seconds, and nothing half stored."""

import asyncio
import contextlib
import re
import signal
import socket
import time
from urllib.parse import urlparse

import pytest

from core.adapters.blobs import ObjectBlobs, open_blobs
from core.adapters.blobs.s3 import s3_blobs
from core.config import Settings
from core.errors import StorageFullError, TransientError
from tests.contracts.blob_contract import MEGABYTE, keys
from tests.support.s3 import answering

UNUSABLE = "http://127.0.0.1:99999"  # no such port
AWAY_SECONDS = 12.0  # the promise is 10; the rest is for a machine that has other work


async def consume(blobs, path):
    """What reads a blob as a file."""
    async with blobs.local_file("uploads/a", path):
        pass


async def stream(blobs, path):
    """What writes one in parts."""
    async with blobs.writer("uploads/a") as writer:
        for _ in range(7):
            await writer.write(b"x" * MEGABYTE)


OPERATIONS = {
    "put": lambda blobs, path: blobs.put("uploads/a", b"x"),
    "get": lambda blobs, path: blobs.get("uploads/a"),
    "list": lambda blobs, path: keys(blobs, "uploads"),
    "delete": lambda blobs, path: blobs.delete("uploads/a"),
    "local file": consume,
}


@pytest.fixture
def nowhere():
    """Settings for an address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield at(f"http://127.0.0.1:{unused.getsockname()[1]}")


def at(url):
    """Settings for a bucket of that server."""
    return Settings(
        _env_file=None,
        storage_url="s3://bucket/folder",
        aws_endpoint_url=url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


async def test_a_start_does_not_wait_for_a_store_that_is_away(nowhere):
    """It is no fault of the settings; every operation says so in time."""
    started = time.monotonic()
    blobs = await open_blobs(nowhere)
    assert isinstance(blobs, ObjectBlobs)
    assert time.monotonic() - started < AWAY_SECONDS


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_store_that_is_away_is_told_in_time(nowhere, tmp_path, operation):
    """By every operation; no scratch file stays."""
    blobs, started = _unchecked(nowhere), time.monotonic()
    with pytest.raises(TransientError) as told:
        await OPERATIONS[operation](blobs, tmp_path)
    assert time.monotonic() - started < AWAY_SECONDS
    assert told.value.code == "storage_unavailable"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_start_is_not_ended_by_a_driver_that_panics():
    """Over an address that it cannot use: a trace that comes again at every start tells nobody what to change."""
    assert isinstance(await open_blobs(at(UNUSABLE)), ObjectBlobs)


@pytest.mark.parametrize("operation", [*OPERATIONS, "stream"])
async def test_a_driver_that_panics_is_told_like_any_failure(tmp_path, operation):
    """By every operation, as an error that is tried again."""
    blobs = _unchecked(at(UNUSABLE))
    with pytest.raises(TransientError, match=r"The bucket .* failed: the driver broke off.*AWS_ENDPOINT_URL") as told:
        await {**OPERATIONS, "stream": stream}[operation](blobs, tmp_path)
    assert told.value.code == "storage_unavailable"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_store_that_hangs_is_given_up(own_s3, tmp_path, operation):
    """It takes the connection and never answers; the deadline here is a second, so that the test is short."""
    settings = own_s3.settings(own_s3.make_bucket())
    blobs = _unchecked(settings, deadline_seconds=1.0)
    own_s3.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(TransientError, match="did not answer within 1 s"):
        await OPERATIONS[operation](blobs, tmp_path)
    assert time.monotonic() - started < 5


async def test_a_store_that_dies_during_an_upload_is_told(own_s3):
    """The writer gets the error, not the silence; and its block ends in time."""
    blobs = await open_blobs(own_s3.settings(own_s3.make_bucket()))
    with pytest.raises(TransientError) as told:
        async with asyncio.timeout(60), blobs.writer("uploads/a") as writer:
            for number in range(60):
                if number == 12:
                    own_s3.process.kill()
                await writer.write(b"x" * MEGABYTE)
    assert told.value.code == "storage_unavailable"


async def test_an_upload_is_taken_once_a_store_answers_again(own_s3):
    """Nothing has to be started anew after a pause."""
    settings = own_s3.settings(own_s3.make_bucket())
    blobs = _unchecked(settings, deadline_seconds=1.0)
    own_s3.process.send_signal(signal.SIGSTOP)
    with pytest.raises(TransientError):
        await blobs.put("uploads/a", b"x")
    own_s3.process.send_signal(signal.SIGCONT)
    await blobs.put("uploads/a", b"x")
    assert await blobs.get("uploads/a") == b"x"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("507 Insufficient Storage", b""),
        ("400 Bad Request", b"<?xml version='1.0'?><Error><Code>XMinioStorageFull</Code></Error>"),
        ("403 Forbidden", b"<?xml version='1.0'?><Error><Code>QuotaExceeded</Code></Error>"),
    ],
)
async def test_a_store_without_room_is_a_full_disk(status, body):
    """However it says so; the client is told to make room."""

    async def answer(request):
        return status, body

    async with serving(answer) as settings:
        with pytest.raises(StorageFullError, match="no room left"):
            await _unchecked(settings).put("pcm/t/1", b"x")


async def test_an_object_completed_while_its_writer_is_cancelled_is_removed():
    """The store has begun to complete it and cannot be called back."""
    asked, completing, go_on = [], asyncio.Event(), asyncio.Event()

    async def answer(request):
        asked.append(request)
        if "uploads=" in request:
            return "200 OK", b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        if request.startswith("POST") and "uploadId=" in request:
            completing.set()
            await go_on.wait()
            return "200 OK", b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
        return "200 OK", b""

    async def write(settings):
        async with _unchecked(settings).writer("uploads/a") as writer:
            await writer.write(b"x" * 6 * MEGABYTE)

    async with serving(answer) as settings:
        writing = asyncio.create_task(write(settings))
        await completing.wait()
        writing.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert "uploadId" in asked[-2]
    assert re.match(r"POST /bucket\?delete", asked[-1])


@contextlib.asynccontextmanager
async def serving(answer):
    """Settings for such a server: see :func:`answering`."""
    async with answering(answer) as url:
        yield at(url)


def _unchecked(settings, deadline_seconds=10.0):
    """The store without the look at it that a start takes."""
    return s3_blobs(urlparse(settings.blobs_url), settings, deadline_seconds=deadline_seconds)
