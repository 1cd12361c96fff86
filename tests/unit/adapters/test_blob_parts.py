"""Unfinished files of a directory of blobs: those of the living stay, those of the dead go, on any machine."""

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.adapters.blobs import DirectoryBlobs
from core.adapters.blobs.parts import remove_dead_parts
from tests.contracts.blob_contract import keys


def parts(root):
    """Unfinished files."""
    return list((root / ".parts").iterdir())


WRITER = """
import asyncio, sys
from pathlib import Path
from core.adapters.blobs import DirectoryBlobs

async def main():
    async with DirectoryBlobs(Path(sys.argv[1])).writer("uploads/a") as part:
        await part.write(b"x" * 100_000)
        print("written", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("occasion", ["listing", "start"])
async def test_unfinished_files_of_a_killed_process_go_at_once(tmp_path, occasion):
    """Not before it is dead, however it is: at the next start, or when the sweeper lists uploads."""
    blobs = DirectoryBlobs(tmp_path)

    async def clean():
        if occasion == "start":
            DirectoryBlobs(tmp_path)
        else:
            assert await keys(blobs, "uploads") == []

    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(tmp_path), stdout=subprocess.PIPE)
    try:
        assert await writer.stdout.readline() == b"written\n"
        await clean()
        assert len(parts(tmp_path)) == 1
    finally:
        writer.kill()
        await writer.communicate()
    await clean()
    assert parts(tmp_path) == []


async def test_a_listing_leaves_our_own_unfinished_files(tmp_path):
    """The process that cleans may be the one that writes."""
    blobs = DirectoryBlobs(tmp_path)
    async with blobs.writer("uploads/a") as part:
        await part.write(b"x")
        assert await keys(blobs, "uploads") == []
        assert await keys(blobs, "") == []
    assert await blobs.get("uploads/a") == b"x"


async def test_a_file_removed_between_its_making_and_its_lock_is_made_again(tmp_path, monkeypatch):
    """For that moment it looks like a dead one's."""
    blobs, flock, removed = DirectoryBlobs(tmp_path), fcntl.flock, []

    def clean_first(file, how):
        if not removed:
            removed.extend(parts(tmp_path))
            remove_dead_parts(tmp_path / ".parts")
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", clean_first)
    await blobs.put("uploads/a", b"x")
    assert len(removed) == 1
    assert await blobs.get("uploads/a") == b"x"


async def test_without_locks_unfinished_files_go_after_a_day(tmp_path, monkeypatch):
    """Some network file systems have none: writing works there, and only age tells what is nobody's."""

    def no_locks(file, how):
        raise OSError(errno.EOPNOTSUPP, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    blobs = DirectoryBlobs(tmp_path)
    old, young = tmp_path / ".parts" / "old", tmp_path / ".parts" / "young"
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    await blobs.put("uploads/a", b"x")
    assert await keys(blobs, "uploads") == ["uploads/a"]
    assert parts(tmp_path) == [young]


@pytest.fixture
def foreign(tmp_path):
    """A file that another machine writes: its lock is not seen here."""
    DirectoryBlobs(tmp_path)
    path = tmp_path / ".parts" / "another-kernel.0123"
    path.touch()
    return path


async def test_what_another_machine_writes_stays(tmp_path, foreign):
    """Although nobody here holds a lock on it."""
    assert await keys(DirectoryBlobs(tmp_path), "uploads") == []
    assert parts(tmp_path) == [foreign]


async def test_what_another_machine_left_goes_after_a_day(tmp_path, foreign):
    """Its writer died, or its machine started anew."""
    os.utime(foreign, (time.time() - 90_000,) * 2)
    assert await keys(DirectoryBlobs(tmp_path), "uploads") == []
    assert parts(tmp_path) == []


async def test_a_wrong_clock_here_removes_nothing(tmp_path, foreign, monkeypatch):
    """The age is told by the clock that dates the files."""
    monkeypatch.setattr(time, "time", lambda: 4e9)
    await keys(DirectoryBlobs(tmp_path), "uploads")
    assert parts(tmp_path) == [foreign]


async def test_a_rename_whose_answer_was_lost_is_done(tmp_path, monkeypatch):
    """A network file system asks again, and is told that there is no such file."""
    blobs, replace = DirectoryBlobs(tmp_path), Path.replace

    def lose(path, target):
        replace(path, target)
        raise FileNotFoundError(errno.ENOENT, "gone", str(path))

    monkeypatch.setattr(Path, "replace", lose)
    await blobs.put("uploads/a", b"x")
    assert await blobs.get("uploads/a") == b"x"
