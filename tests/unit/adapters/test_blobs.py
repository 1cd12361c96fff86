"""Every blob store keeps the contract; the directory more than that."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from core.adapters.blobs import DirectoryBlobs, ObjectBlobs, copies, open_blobs
from core.config import Settings
from core.errors import InvalidRequestError, PermanentError, StorageFullError, TransientError
from tests.contracts.blob_contract import BlobContract, keys


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


async def test_a_directory_that_takes_no_files_is_told(tmp_path):
    """Reading it says nothing of that."""
    blobs = DirectoryBlobs(tmp_path / "blobs")
    shutil.rmtree(tmp_path / "blobs" / ".parts")
    with pytest.raises(TransientError, match="blob directory") as told:
        await blobs.check()
    assert told.value.code == "storage_unavailable"


async def test_a_scratch_directory_that_fails_is_told_as_one(tmp_path):
    """The copy for the decoder is nobody's fault either: a full disk passes, and so may what else is wrong."""
    blobs = ObjectBlobs.in_memory()
    await blobs.put("uploads/a", b"audio")
    (tmp_path / "file").touch()
    with pytest.raises(TransientError, match="scratch directory") as told:
        async with blobs.local_file("uploads/a", tmp_path / "file"):
            pass
    assert told.value.code == "storage_unavailable"


async def test_a_full_scratch_directory_is_a_full_disk(tmp_path, monkeypatch):
    """/dev/full stands for the copy, which is refused when it leaves the buffer."""
    blobs = ObjectBlobs.in_memory()
    await blobs.put("uploads/a", b"audio")
    made = tmp_path / "made"

    def full(_):
        made.touch()
        return made, open("/dev/full", "wb")

    monkeypatch.setattr(copies, "new_part", full)
    with pytest.raises(StorageFullError):
        async with blobs.local_file("uploads/a", tmp_path):
            pass
    assert not made.exists()


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


async def test_deleting_removes_emptied_folders_but_not_the_topmost(tmp_path):
    """A day of tasks leaves no trace; what lies directly under the root is needed by every writer."""
    blobs = DirectoryBlobs(tmp_path)
    await blobs.put("pcm/t/0", b"x")
    await blobs.delete("pcm/t/0")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [".parts", "pcm"]


async def test_writing_and_deleting_at_once_disturb_neither_each_other_nor_a_listing(tmp_path):
    """Folders appear and vanish at any moment: a vanished one is empty, and one that is in the way is made again."""
    blobs = DirectoryBlobs(tmp_path)

    async def churn(name):
        for number in range(60):
            await blobs.put(f"pcm/{number % 3}/{name}", b"x")
            await blobs.delete(f"pcm/{number % 3}/{name}")

    async def look():
        while True:
            await keys(blobs, "pcm")
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await asyncio.gather(*(churn(name) for name in "abcdef"))
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert await keys(blobs, "pcm") == []


async def test_a_folder_that_goes_while_it_is_listed_is_empty(tmp_path):
    """Every task's end lists what the deletion of its last chunk removes at that moment."""
    blobs = DirectoryBlobs(tmp_path)
    for number in range(100):
        await blobs.put(f"pcm/t{number}/0", b"x")
        await asyncio.gather(keys(blobs, f"pcm/t{number}"), keys(blobs, "pcm"), blobs.delete(f"pcm/t{number}/0"))


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
async def test_a_folder_that_goes_while_it_is_made_is_made_again(tmp_path, monkeypatch, error):
    """``mkdir`` fails in either way when its parent, or the folder that it found, is removed under it."""
    blobs = DirectoryBlobs(tmp_path)
    refusals, mkdir = [error("raced")] * 3, Path.mkdir

    def race(path, *rest, **options):
        if refusals:
            raise refusals.pop()
        mkdir(path, *rest, **options)

    monkeypatch.setattr(Path, "mkdir", race)
    await blobs.put("pcm/t/0", b"x")
    assert await blobs.get("pcm/t/0") == b"x"


async def test_what_the_disk_refuses_is_an_error_of_the_store(tmp_path):
    """Deleting, listing and writing alike: a caller need not know that there is a file system."""
    blobs = DirectoryBlobs(tmp_path)
    (tmp_path / "pcm" / "t").mkdir(parents=True)
    with pytest.raises(TransientError) as deleting:
        await blobs.delete("pcm/t")
    with pytest.raises(TransientError) as writing:
        await blobs.put("pcm/t", b"x")
    (tmp_path / "uploads").symlink_to("uploads")
    with pytest.raises(TransientError) as listing:
        await keys(blobs, "uploads")
    shutil.rmtree(tmp_path)
    with pytest.raises(TransientError) as cleaning:
        await keys(blobs, "uploads")
    with pytest.raises(TransientError) as opening:
        await blobs.put("uploads/a", b"x")
    assert {caught.value.code for caught in (deleting, writing, listing, cleaning, opening)} == {"storage_unavailable"}


@pytest.fixture
def synced(tmp_path, monkeypatch):
    """Folders that were forced to disk, by their names under the root."""
    folders, fsync = [], os.fsync

    def note(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            folders.append(path.relative_to(tmp_path).as_posix())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    return folders


async def test_a_new_folder_is_on_disk_before_its_blob_is_acknowledged(tmp_path, synced):
    """A blob whose folder's entry is lost by a power cut is lost with it."""
    blobs = DirectoryBlobs(tmp_path / "root")
    assert sorted(synced) == [".", "root"]
    synced.clear()
    await blobs.put("pcm/t/0", b"x")
    assert sorted(synced) == ["root", "root/pcm", "root/pcm/t"]
    synced.clear()
    await blobs.put("pcm/t/1", b"x")
    assert synced == ["root/pcm/t"]


def settings(**given):
    """None of the machine's own."""
    return Settings(_env_file=None, **given)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file://relative/path",
        "/just/a/path",
        "s3://",
        "s3://b?x=1",
        "s3://k:s@bucket/f",
        "s3://bucket/../x",
    ],
)
async def test_a_storage_url_that_is_not_understood_says_what_is(url):
    """Also a relative file URL, which would mean another directory after a restart elsewhere. No password is shown."""
    with pytest.raises(InvalidRequestError, match=r"Use .*s3://bucket/folder") as told:
        await open_blobs(settings(storage_url=url))
    assert told.value.code == "invalid_settings"
    assert "k:s" not in told.value.message


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"aws_endpoint_url": "minio:9000"}, "AWS_ENDPOINT_URL 'minio:9000' is not an address"),
        ({"aws_access_key_id": "key"}, "set both, or neither"),
        ({"aws_secret_access_key": "secret"}, "set both, or neither"),
    ],
)
async def test_settings_of_a_bucket_that_cannot_work_are_told_at_the_start(given, sentence):
    """Before anything is asked of a server."""
    with pytest.raises(InvalidRequestError, match=sentence) as told:
        await open_blobs(settings(storage_url="s3://bucket", **given))
    assert told.value.code == "invalid_settings"


async def test_a_file_url_names_a_directory_that_is_made(tmp_path):
    """Spaces and all."""
    assert isinstance(await open_blobs(settings(storage_url=(tmp_path / "a b").as_uri())), DirectoryBlobs)
    assert (tmp_path / "a b").is_dir()


async def test_a_directory_that_cannot_be_had_is_told_at_the_start(tmp_path):
    """As a fault of the settings, not as a trace."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidRequestError, match="Change STORAGE_URL") as told:
        await open_blobs(settings(storage_url=(tmp_path / "file" / "below").as_uri()))
    assert told.value.code == "invalid_settings"


async def stream(blobs, key, data):
    """Store it by a writer."""
    async with blobs.writer(key) as part:
        await part.write(data)


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("store", [DirectoryBlobs.put, stream])
async def test_a_cancelled_writer_leaves_no_unfinished_file(tmp_path, store, turns):
    """At whichever step it is cancelled, while its thread is still making the file too."""
    blobs = DirectoryBlobs(tmp_path)
    writing = [asyncio.create_task(store(blobs, f"uploads/{number}", b"x" * 4096)) for number in range(20)]
    for _ in range(turns):
        await asyncio.sleep(0)
    for one in writing:
        one.cancel()
    await asyncio.wait(writing)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert [path.name for path in (tmp_path / ".parts").iterdir() if path.is_file()] == []
