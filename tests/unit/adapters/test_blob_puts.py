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
from tests.support.tasks import until


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


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """Blobs on a disk that does not come to an end; set when it has begun, and what lets it go on."""
    blobs, fsync, begun, go_on = DirectoryBlobs(tmp_path), os.fsync, threading.Event(), threading.Event()

    def hold(handle):
        begun.set()
        go_on.wait()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", hold)
    return blobs, begun, go_on


async def test_a_put_that_is_cancelled_waits_for_its_thread(tmp_path, stuck):
    """So nothing is stored behind the back of who was told that it had ended."""
    blobs, begun, go_on = stuck
    putting = asyncio.create_task(blobs.put("pcm/t/0", b"x"))
    await asyncio.to_thread(begun.wait)
    putting.cancel()
    ended, _ = await asyncio.wait([putting], timeout=0.05)
    go_on.set()
    await asyncio.wait([putting])
    assert (ended, putting.cancelled()) == (set(), True)
    assert list((tmp_path / ".parts").iterdir()) == []
    assert await blobs.get("pcm/t/0") == b"x"


async def test_a_put_that_is_cancelled_twice_waits_for_no_disk(tmp_path, stuck):
    """A process that must end now ends; what the disk still takes is a whole blob all the same."""
    blobs, begun, go_on = stuck
    putting = asyncio.create_task(blobs.put("pcm/t/0", b"x"))
    await asyncio.to_thread(begun.wait)
    putting.cancel()
    await asyncio.wait([putting], timeout=0.05)
    putting.cancel()
    await asyncio.wait([putting], timeout=5)
    seen = putting.done(), (tmp_path / "pcm/t/0").exists()
    go_on.set()  # before anything can fail: the loop's end waits for its threads
    assert seen == (True, False)
    assert await until(lambda: keys(blobs, "pcm"), bool) == ["pcm/t/0"]
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
