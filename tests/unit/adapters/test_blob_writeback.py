"""The disk begins with a long file while the rest of it is still coming."""

import os
import sys

import pytest

from core.adapters.blobs import DirectoryBlobs, directory, writeback
from core.adapters.blobs.directory import WRITEBACK_BYTES

BLOCK = bytes(WRITEBACK_BYTES // 4)


@pytest.fixture
def begun(monkeypatch):
    """How long the file was each time that the disk was told to begin."""
    sizes = []

    def note(handle):
        sizes.append(os.fstat(handle).st_size)

    monkeypatch.setattr(directory, "begin_writeback", note)
    return sizes


async def test_the_disk_begins_while_a_file_grows(tmp_path, begun):
    """Now and then: each time costs a call, and many small ones would cut the file into pieces on the disk."""
    async with DirectoryBlobs(tmp_path).writer("uploads/a") as part:
        for _ in range(11):
            await part.write(BLOCK)
        assert begun == [WRITEBACK_BYTES, 2 * WRITEBACK_BYTES]


async def test_a_small_blob_is_left_to_its_fsync(tmp_path, begun):
    """That follows at once."""
    await DirectoryBlobs(tmp_path).put("pcm/t/0", BLOCK)
    assert begun == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the call")
def test_the_kernel_understands_what_it_is_asked(tmp_path, monkeypatch):
    """Nobody looks at its answer otherwise, so a wrong argument would not be noticed."""
    answers, call = [], writeback._sync_file_range
    monkeypatch.setattr(writeback, "_sync_file_range", lambda *given: answers.append(call(*given)))
    with (tmp_path / "a").open("wb", buffering=0) as file:
        file.write(BLOCK)
        writeback.begin_writeback(file.fileno())
    assert answers == [0]


async def test_without_such_a_call_a_long_file_is_stored_all_the_same(tmp_path, monkeypatch):
    """By its fsync alone."""
    monkeypatch.setattr(writeback, "_sync_file_range", None)
    blobs = DirectoryBlobs(tmp_path)
    async with blobs.writer("uploads/a") as part:
        for _ in range(5):
            await part.write(BLOCK)
    assert await blobs.get("uploads/a") == 5 * BLOCK
