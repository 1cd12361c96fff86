"""Every blob store keeps the contract; the directory more than that."""

import os
import time

import pytest

from core.adapters.blobs import DirectoryBlobs, ObjectBlobs, open_blobs
from core.errors import InvalidRequestError, PermanentError, StorageFullError
from tests.contracts.blob_contract import BlobContract


class TestDirectory(BlobContract):
    """Files of a directory."""

    @pytest.fixture
    def blobs(self, tmp_path):
        """An empty one."""
        return DirectoryBlobs(tmp_path / "blobs")


class TestObjects(BlobContract):
    """An object store, in memory."""

    @pytest.fixture
    def blobs(self):
        """An empty one."""
        return ObjectBlobs.in_memory()


@pytest.mark.parametrize("key", ["../a", "a/../../b", "/etc/passwd", "a//b", "", ".parts/x", "a/./b"])
async def test_a_key_never_leaves_the_directory(tmp_path, key):
    """Whatever it looks like."""
    with pytest.raises(PermanentError, match="not a blob key"):
        await DirectoryBlobs(tmp_path).put(key, b"x")


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """/dev/full stands for the disk: the write is refused, the unfinished file is gone."""
    blobs = DirectoryBlobs(tmp_path)
    with pytest.raises(StorageFullError):
        async with blobs.writer("uploads/a") as part:
            part._file.close()
            part._file = open("/dev/full", "wb", buffering=0)  # noqa: ASYNC230, SIM115
            await part.write(b"x")
    assert [blob async for blob in blobs.iterate("uploads")] == []
    assert list((tmp_path / ".parts").iterdir()) == []


async def test_deleting_removes_emptied_folders_but_not_the_root(tmp_path):
    """A day of tasks leaves no trace."""
    blobs = DirectoryBlobs(tmp_path)
    await blobs.put("pcm/t/0", b"x")
    await blobs.delete("pcm/t/0")
    assert [path.name for path in tmp_path.iterdir()] == [".parts"]


def test_unfinished_files_of_a_killed_process_go_after_a_day(tmp_path):
    """Not before: another process may be writing it."""
    old, young = tmp_path / ".parts" / "old", tmp_path / ".parts" / "young"
    old.parent.mkdir()
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    DirectoryBlobs(tmp_path)
    assert not old.exists()
    assert young.exists()


def test_a_storage_url_that_is_not_understood_says_what_is(tmp_path):
    """Also a relative file URL, which would mean another directory after a restart elsewhere."""
    for url in ("ftp://host/x", "file://relative/path", "/just/a/path"):
        with pytest.raises(InvalidRequestError, match="file:///absolute/path"):
            open_blobs(url)
    assert isinstance(open_blobs((tmp_path / "a b").as_uri()), DirectoryBlobs)
    assert (tmp_path / "a b").is_dir()
