"""A decoder that is ended, or cannot read its file, while a worker prepares it: the upload is never lost by that."""

import asyncio

from core.audio import server
from core.states import TASK_ENDED, TaskStatus
from tests.support.audio import speech, wav
from tests.support.tasks import blob_keys, ended, put_task, until, working

TIMES = 5  # more often than a task may be tried
# Run by the server before it serves.
EXITS = "decode_child._answer = lambda *_: os._exit(7)"
STORAGE_FAILS = """
import io
class Failing(io.FileIO):
    def read(self, count=-1):
        raise OSError(5, "the share is away")
def look():
    if not os.path.exists({there!r}):
        io.FileIO = Failing
"""
# Each clone, before it is shut in, leaves a line in a file.
SERVER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from core.audio import decode_child
def look():
    pass
{program}
def serve(request, serve=decode_child.serve):
    print(file=open({log!r}, "a"))
    look()
    serve(request)
decode_child.serve = serve
"""


def with_first(program, log):
    """A server whose clones do this."""
    return SERVER.format(program=program, log=str(log)) + server._BOOTSTRAP


async def test_a_decoder_that_is_ended_each_time_costs_attempts_and_no_upload(
    resources, settings, tmp_path, monkeypatch
):
    """The task fails in the end, and can be tried again."""
    monkeypatch.setattr(server, "_BOOTSTRAP", with_first(EXITS, tmp_path / "starts"))
    settings = settings.model_copy(update={"retry_delay_seconds": 0.01})
    task_id = await put_task(resources, settings, wav(speech(5)))
    async with working(settings, resources):
        task = await ended(resources, task_id)
    assert (task.status, task.error.code) == (TaskStatus.FAILED, "preparation_failed")
    assert task.attempts == settings.max_chunk_attempts
    assert await blob_keys(resources) == [f"uploads/{task_id}"]


async def test_a_file_waits_for_its_storage_however_long_that_is_away(resources, settings, tmp_path, monkeypatch):
    """And is cut once it is there again, in its first attempt."""
    starts, there = tmp_path / "starts", tmp_path / "there"
    monkeypatch.setattr(server, "_BOOTSTRAP", with_first(STORAGE_FAILS.format(there=str(there)), starts))
    settings = settings.model_copy(update={"retry_delay_seconds": 0.01})
    task_id = await put_task(resources, settings, wav(speech(5)))

    async def started():
        return len(starts.read_text()) if starts.exists() else 0

    async with working(settings, resources):
        await until(started, lambda count: count > TIMES)
        assert (await resources.tasks.get(task_id)).status not in TASK_ENDED
        await asyncio.to_thread(there.touch)
        task = await ended(resources, task_id)
    assert (task.status, task.attempts) == (TaskStatus.COMPLETED, 1)
