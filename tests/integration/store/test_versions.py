"""Documents that another version of the program wrote: those before an upgrade, and those after it."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from core.flow.finish import settle
from core.models import Cut, CutPlan, Failure, Options, Segment, Upload, WindowResult, Word
from core.states import ChunkState, TaskStatus
from tests.support.tasks import claim_one, complete_one

# As version 0.1 wrote them. They never change: add a further set when the layout does.
TASK: dict[str, Any] = {
    "_id": "t",
    "v": 1,
    "status": "processing",
    "open": True,
    "filename": "a.wav",
    "options": {
        "model": "base",
        "language": "en",
        "task": "transcribe",
        "prompt": None,
        "temperature": 0.0,
        "beam_size": 2,
    },
    "word_timestamps": True,
    "max_parallel_workers": None,
    "plan": {"strategy": "vad", "chunk_seconds": 28.0},
    "upload": {"key": "uploads/t", "size_bytes": 5, "sha256": "00"},
    "created_at": datetime(2026, 1, 5, 12, tzinfo=UTC),
    "fence": 1,
    "attempts": 1,
    "owner": None,
    "deleted": False,
    "started_at": datetime(2026, 1, 5, 12, 1, tzinfo=UTC),
    "chunks_cut": 2,
    "chunks_total": 2,
    "duration_samples": 500,
    "coverage": {"silent_samples": 100},
    "warnings": [],
}
DONE: dict[str, Any] = {
    "_id": "t:000000",
    "v": 1,
    "task": "t",
    "index": 0,
    "cut": [0, 200, 0, 200],
    "core": 200,
    "state": "done",
    "owner": None,
    "fence": 1,
    "attempts": 1,
    "interruptions": 0,
    "error": None,
    "result": {
        "segments": [
            {"start": 0.0, "end": 0.5, "text": " Hello", "words": [[0.0, 0.5, " Hello", 0.9]], "tokens": [7, 8]}
        ],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
        "flags": [],
    },
}
QUEUED: dict[str, Any] = {
    **{key: DONE[key] for key in ("v", "task", "core", "owner", "interruptions")},
    "_id": "t:000001",
    "index": 1,
    "cut": [300, 500, 300, 500],
    "state": "queued",
    "fence": 0,
    "attempts": 0,
}
WORKER: dict[str, Any] = {"_id": "w", "v": 1, "slots": 2, "batch": 4, "beats": 3}
RESULT = WindowResult(
    segments=(
        Segment(start=0.0, end=0.5, text=" Hello", words=(Word(start=0.0, end=0.5, text=" Hello", probability=0.9),)),
    )
)


def newer(value: Any) -> Any:
    """The same as a later version may write it: further fields in every document, further values in fixed lists."""
    if isinstance(value, dict):
        return {**{key: newer(inner) for key, inner in value.items()}, "added_later": {"a": [1]}}
    if isinstance(value, list) and value and not isinstance(value[0], dict | list):
        return [*value, "added_later"] if len(value) == 4 else value
    return [newer(inner) for inner in value] if isinstance(value, list) else value


def as_is(value: Any) -> Any:
    """As version 1 wrote it."""
    return copy.deepcopy(value)


@pytest.fixture(params=[as_is, newer], ids=["older", "newer"])
async def stored(request, resources):
    """A task with a finished and an announced chunk, and a worker, by another version."""
    database = resources.tasks._tasks.database
    other = 1 if request.param is as_is else 2
    for name, documents in {"tasks": [TASK], "chunks": [DONE, QUEUED], "workers": [WORKER]}.items():
        await database[name].insert_many([{**request.param(document), "v": other} for document in documents])
    return database


async def test_every_field_is_read(stored, resources):
    """What both versions know; the rest is passed over."""
    task = await resources.tasks.get("t")
    assert (task.status, task.filename, task.chunks_total) == (TaskStatus.PROCESSING, "a.wav", 2)
    assert task.options == Options(model="base", language="en")
    assert task.plan == CutPlan(strategy="vad", chunk_seconds=28.0)
    assert task.upload == Upload(key="uploads/t", size_bytes=5, sha256="00")
    assert (task.coverage.silent_samples, task.idempotency) == (100, None)
    done, queued = [chunk async for chunk in resources.chunks.iterate("t")]
    assert done.cut == Cut(index=0, start=0, end=200, core_start=0, core_end=200)
    assert (done.state, queued.state, queued.result) == (ChunkState.DONE, ChunkState.QUEUED, None)
    assert done.result.segments[0].words == RESULT.segments[0].words
    assert done.result.segments[0].tokens[:2] == (7, 8)
    (worker,) = await resources.workers.all()
    assert (worker.id, worker.slots, worker.batch, worker.beats) == ("w", 2, 4, 3)


async def test_work_goes_on_from_where_the_other_version_left_it(stored, resources):
    """A chunk that one announced is claimed, transcribed and settled by the other, and its fields are kept."""
    chunk = await claim_one(resources.chunks, "t", 1, "me")
    assert (chunk.fence, chunk.attempts) == (1, 1)
    assert await complete_one(resources.chunks, chunk, RESULT)
    assert await settle(resources, await resources.tasks.get("t"), await resources.chunks.tally("t"))
    task = await resources.tasks.get("t")
    assert (task.status, task.chunks_completed, task.coverage.transcribed_samples) == (TaskStatus.COMPLETED, 2, 400)
    assert await resources.workers.beat("w", 9)
    for name in ("tasks", "chunks", "workers"):
        async for document in stored[name].find():
            assert ("added_later" in document) == (document["v"] == 2)


async def test_the_other_version_prepares_what_one_accepted(stored, resources):
    """Claimed, given back, retried, cancelled, deleted: every move of a task."""
    fresh = {**TASK, "_id": "fresh", "status": "queued", "chunks_total": None, "started_at": None, "added_later": 1}
    await stored["tasks"].insert_one(fresh)
    claimed = await resources.tasks.claim("fresh", "me")
    assert (claimed.fence, claimed.attempts) == (2, 2)
    assert await resources.tasks.give_back(claimed, interrupted=True)
    claimed = await resources.tasks.claim("fresh", "me")
    assert (claimed.attempts, claimed.interruptions) == (2, 1)
    assert await resources.tasks.fail_preparing(claimed, Failure(code="oops", message="Oops."))
    assert await resources.tasks.reopen("fresh", TaskStatus.QUEUED)
    assert await resources.tasks.cancel("fresh")
    assert await resources.tasks.mark_deleted("fresh")
    await resources.tasks.purge("fresh")
    assert await resources.tasks.get("fresh", deleted=True) is None
