"""An upload's blocks on their way to the store: one at most, in order, and none after the end."""

import asyncio
import gc
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from api.accept import Head, accept_form, accept_raw
from api.app import create_app
from api.context import Context, context_of
from api.intake import BLOCK_BYTES, Intake
from core.config import Settings
from core.errors import StorageFullError
from core.flow.resources import Resources

MEDIA = b"RIFF\x00\x00\x00\x00WAVE"
BLOCK = MEDIA + bytes(BLOCK_BYTES)
LIMIT = 100 * BLOCK_BYTES
FORM = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


class Disk:
    """A blob writer whose every write waits until it is let go on."""

    def __init__(self) -> None:
        self.data = b""
        self.begun, self.go_on = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.under_way = 0
        self.most = 0

    async def write(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.begun.release()
        try:
            await self.go_on.acquire()
        finally:
            self.under_way -= 1
        self.data += data
        if beside is not None:
            beside(data)


class FullDisk(Disk):
    """It refuses what it is let go on with."""

    async def write(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        await super().write(data, beside)
        raise StorageFullError("The disk is full.")


def intake_to(disk: Disk, places: int = 2) -> Intake:
    """Of one upload."""
    return Intake(disk, LIMIT, asyncio.Semaphore(places))


async def settled() -> None:
    """Everything that can go on has."""
    for _ in range(10):
        await asyncio.sleep(0)


async def waits(task: "asyncio.Task[Any]") -> bool:
    """Whether it does, whatever else goes on."""
    await settled()
    return not task.done()


async def test_one_block_is_under_way_while_the_next_comes() -> None:
    """And not two: a slow disk slows the client down."""
    disk = Disk()
    async with asyncio.timeout(10), intake_to(disk) as intake:
        await intake.add(BLOCK)
        await intake.add(bytes(BLOCK_BYTES - 1))
        await disk.begun.acquire()
        second = asyncio.create_task(intake.add(b"x"))
        assert await waits(second)
        disk.go_on.release()
        await second
        await disk.begun.acquire()
        disk.go_on.release()
        assert disk.most == 1


async def test_the_end_waits_for_every_block() -> None:
    """An upload that is acknowledged is in the store."""
    disk = Disk()
    async with asyncio.timeout(10), intake_to(disk) as intake:
        await intake.add(BLOCK)
        await intake.add(b"rest")
        end = asyncio.create_task(intake.finish("k"))
        for _ in range(2):
            assert await waits(end)
            disk.go_on.release()
        upload = await end
    assert disk.data == BLOCK + b"rest"
    assert (upload.size_bytes, upload.sha256) == (len(disk.data), hashlib.sha256(disk.data).hexdigest())


async def test_a_last_piece_without_bytes_costs_no_write() -> None:
    """Every body ends with one."""
    disk = Disk()
    async with asyncio.timeout(10), intake_to(disk) as intake:
        await intake.add(BLOCK)
        disk.go_on.release()
        await intake.add(b"")
        upload = await intake.finish("k")
    assert (upload.size_bytes, disk.data) == (len(BLOCK), BLOCK)


async def test_blocks_keep_their_order() -> None:
    """In the store and in the hash, however the disk and the client take turns."""
    disk = Disk()
    pieces = [BLOCK, *(bytes([number]) * (BLOCK_BYTES * number // 4) for number in range(1, 12))]
    async with asyncio.timeout(10), intake_to(disk) as intake:
        for number, piece in enumerate(pieces):
            disk.go_on.release()
            await intake.add(piece)
            if number % 2:
                await settled()
        disk.go_on.release()
        upload = await intake.finish("k")
    assert disk.data == b"".join(pieces)
    assert upload.sha256 == hashlib.sha256(disk.data).hexdigest()


async def test_a_file_in_tiny_pieces_takes_no_more_memory() -> None:
    """A client may send two bytes at a time; Python's object around them has twenty times their size."""
    disk = Disk()
    data = MEDIA + bytes(number % 251 for number in range(BLOCK_BYTES // 2))
    async with asyncio.timeout(60), intake_to(disk) as intake:
        tracemalloc.start()
        try:
            for start in range(0, len(data), 2):
                await intake.add(data[start : start + 2])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        disk.go_on.release()
        upload = await intake.finish("k")
    assert peak < 4 * len(data)
    assert (disk.data, upload.sha256) == (data, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("more", [b"x", BLOCK])
async def test_what_a_write_raises_the_next_bytes_raise(more: bytes) -> None:
    """Whether they fill a block or not: a disk that is full stops the upload soon."""
    disk = FullDisk()
    async with asyncio.timeout(10), intake_to(disk) as intake:
        await intake.add(BLOCK)
        disk.go_on.release()
        await settled()
        with pytest.raises(StorageFullError):
            await intake.add(more)


@pytest.mark.parametrize("rest", [b"", b"rest"])
async def test_what_a_write_raises_the_end_raises(rest: bytes) -> None:
    """Also the very last one."""
    disk = FullDisk()
    async with asyncio.timeout(10), intake_to(disk) as intake:
        await intake.add(BLOCK + rest)
        disk.go_on.release()
        with pytest.raises(StorageFullError):
            await intake.finish("k")


async def test_what_is_given_up_leaves_nothing_under_way() -> None:
    """Its write is cancelled and has ended before the block is left."""
    disk = Disk()
    with pytest.raises(ZeroDivisionError):
        async with intake_to(disk) as intake:
            await intake.add(BLOCK)
            await disk.begun.acquire()
            raise ZeroDivisionError
    assert (disk.under_way, disk.data) == (0, b"")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_that_nobody_waits_for_is_not_told_by_the_loop() -> None:
    """The upload was refused for another reason, and that is its answer."""
    disk, told = FullDisk(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    with pytest.raises(ZeroDivisionError):
        async with intake_to(disk) as intake:
            await intake.add(BLOCK)
            disk.go_on.release()
            await settled()
            raise ZeroDivisionError
    del intake
    gc.collect()
    assert told == []


async def test_uploads_share_the_places() -> None:
    """Many at once leave threads to everybody else."""
    disk, places = Disk(), asyncio.Semaphore(2)
    intakes = [Intake(disk, LIMIT, places) for _ in range(5)]
    async with asyncio.timeout(10):
        for intake in intakes:
            await intake.add(BLOCK)
        await settled()
        assert disk.under_way == 2
        for _ in intakes:
            disk.go_on.release()
        await asyncio.gather(*(intake.finish("k") for intake in intakes))
    assert disk.most == 2


class DiskBlobs:
    """Notes what is under way when the blob is given up."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.left: int | None = None

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[Disk]:
        assert key.startswith("uploads/")
        try:
            yield self.disk
        finally:
            self.left = self.disk.under_way


@pytest.fixture
def blobs() -> DiskBlobs:
    """They hold every write up."""
    return DiskBlobs()


@pytest.fixture
def context(settings: Settings, offline: Resources, blobs: DiskBlobs) -> Context:
    """Of an application with these blobs."""
    large = settings.model_copy(update={"max_upload_bytes": LIMIT})
    stores: Any = blobs
    return context_of(create_app(large, replace(offline, blobs=stores)))


async def take(context: Context, body: AsyncIterator[bytes], *, form: bool) -> None:
    """By one route or the other."""
    if form:
        await accept_form(context, body, Head(content_type="multipart/form-data; boundary=B", length=None, key=None))
    else:
        await accept_raw(context, body, Head(content_type=None, length=None, key=None), [], None)


@pytest.mark.parametrize("form", [False, True])
async def test_a_client_that_goes_leaves_no_write_in_a_blob_that_is_removed(
    context: Context, blobs: DiskBlobs, form: bool
) -> None:
    """By either route the blob is given up when nothing writes into it any more."""

    async def body() -> AsyncIterator[bytes]:
        yield (FORM if form else b"") + BLOCK
        await blobs.disk.begun.acquire()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await take(context, body(), form=form)
    assert blobs.left == 0


@pytest.mark.parametrize("form", [False, True])
async def test_an_upload_that_is_cancelled_leaves_no_write_either(
    context: Context, blobs: DiskBlobs, form: bool
) -> None:
    """While it waits for the disk: the server leaves."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield (FORM if form and not blobs.disk.most else b"") + BLOCK
            await asyncio.sleep(0)

    taking = asyncio.create_task(take(context, body(), form=form))
    await asyncio.wait_for(blobs.disk.begun.acquire(), 10)
    assert await waits(taking)
    taking.cancel()
    await asyncio.wait([taking])
    assert (taking.cancelled(), blobs.left) == (True, 0)
