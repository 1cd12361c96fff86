"""Copies of blobs for the decoder: those of the living stay, those of the dead go."""

import asyncio
import subprocess
import sys
import threading

import pytest

from core.adapters.blobs import ObjectBlobs, copies, open_blobs
from core.config import Settings

COPIER = """
import asyncio, sys
from pathlib import Path
from core.adapters.blobs import ObjectBlobs

async def main():
    blobs = ObjectBlobs.in_memory()
    await blobs.put("uploads/a", b"audio")
    async with blobs.local_file("uploads/a", Path(sys.argv[1])):
        print("copied", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def files(scratch):
    """What lies in the scratch directory."""
    return [path for path in scratch.rglob("*") if path.is_file()]


@pytest.mark.parametrize("occasion", ["start", "next file"])
async def test_the_copy_of_a_killed_process_goes(tmp_path, occasion):
    """Not before it is dead: at the next start on that machine, or when a worker there copies its next file."""
    scratch, blobs = tmp_path / "tmp", ObjectBlobs.in_memory()
    await blobs.put("uploads/b", b"other audio")

    async def clean():
        if occasion == "start":
            await open_blobs(Settings(_env_file=None, data_dir=tmp_path, storage_url="memory://"))
        else:
            async with blobs.local_file("uploads/b", scratch):
                pass

    copier = await asyncio.create_subprocess_exec(sys.executable, "-c", COPIER, str(scratch), stdout=subprocess.PIPE)
    try:
        assert await copier.stdout.readline() == b"copied\n"
        await clean()
        assert [path.read_bytes() for path in files(scratch)] == [b"audio"]
    finally:
        copier.kill()
        await copier.communicate()
    assert len(files(scratch)) == 1
    await clean()
    assert files(scratch) == []


async def test_what_else_lies_in_the_scratch_directory_stays(tmp_path):
    """Run files and what the engines learned: nobody holds their locks, and they may be old."""
    kept = tmp_path / "tmp" / "workers" / "x.run"
    kept.parent.mkdir(parents=True)
    kept.touch()
    await open_blobs(Settings(_env_file=None, data_dir=tmp_path, storage_url="memory://"))
    assert files(tmp_path / "tmp") == [kept]


async def test_who_is_cancelled_while_a_copy_is_made_leaves_none(tmp_path, monkeypatch):
    """Its thread cannot be cancelled, and makes the file all the same."""
    blobs, loop, new_part = ObjectBlobs.in_memory(), asyncio.get_running_loop(), copies.new_part
    began, going_on = asyncio.Event(), threading.Event()

    def slow(folder):
        loop.call_soon_threadsafe(began.set)
        going_on.wait(10)
        return new_part(folder)

    monkeypatch.setattr(copies, "new_part", slow)
    copying = asyncio.create_task(_copy(blobs, tmp_path))
    await began.wait()
    copying.cancel()
    await asyncio.wait([copying], timeout=0.1)
    going_on.set()
    await asyncio.wait([copying])
    await loop.shutdown_default_executor()
    assert copying.cancelled()
    assert files(tmp_path) == []


async def _copy(blobs, scratch):
    async with blobs.local_file("uploads/none", scratch):
        pytest.fail("it was cancelled before")
