"""Small blobs of a directory: each is stored, or given up, by one call on a thread."""

import asyncio
import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.adapters.blobs import DirectoryBlobs, directory
from core.errors import StorageFullError, TransientError
from tests.contracts.blob_contract import keys


class Threads(ThreadPoolExecutor):
    """They count what they are given to do."""

    calls = 0

    def submit(self, *rest, **named):
        """One more."""
        self.calls += 1
        return super().submit(*rest, **named)


async def test_a_small_blob_is_stored_by_one_call_on_a_thread(tmp_path):
    """Each call costs a change of thread, and each chunk of a recording is such a blob."""
    blobs, threads = DirectoryBlobs(tmp_path), Threads()
    asyncio.get_running_loop().set_default_executor(threads)
    await blobs.put("pcm/t/0", b"x")
    assert threads.calls == 1


async def test_a_put_that_is_cancelled_waits_for_its_thread(tmp_path, monkeypatch):
    """So nothing is stored behind the back of who was told that it had ended."""
    blobs, fsync = DirectoryBlobs(tmp_path), os.fsync
    begun, go_on = threading.Event(), threading.Event()

    def hold(handle):
        begun.set()
        go_on.wait()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", hold)
    putting = asyncio.create_task(blobs.put("pcm/t/0", b"x"))
    await asyncio.to_thread(begun.wait)
    putting.cancel()
    ended, _ = await asyncio.wait([putting], timeout=0.05)
    go_on.set()
    await asyncio.wait([putting])
    assert (ended, putting.cancelled()) == (set(), True)
    assert list((tmp_path / ".parts").iterdir()) == []
    assert await blobs.get("pcm/t/0") == b"x"


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, StorageFullError), (errno.EIO, TransientError)])
async def test_a_put_that_cannot_be_forced_to_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, number, told):
    """Neither the blob nor its unfinished file."""
    blobs = DirectoryBlobs(tmp_path)

    def refuse(_):
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(told):
        await blobs.put("pcm/t/0", b"x")
    assert await keys(blobs, "") == []
    assert list((tmp_path / ".parts").iterdir()) == []


@pytest.mark.parametrize("buffering", [0, -1])
async def test_a_put_that_the_disk_has_no_room_for_is_told_and_leaves_nothing(tmp_path, monkeypatch, buffering):
    """/dev/full stands for the unfinished file. A small blob is refused when it leaves the buffer, at its end."""
    blobs, made = DirectoryBlobs(tmp_path), tmp_path / ".parts" / "full"

    def full(_):
        made.touch()
        return made, open("/dev/full", "wb", buffering=buffering)

    monkeypatch.setattr(directory, "new_part", full)
    with pytest.raises(StorageFullError):
        await blobs.put("pcm/t/0", b"x")
    assert not made.exists()
