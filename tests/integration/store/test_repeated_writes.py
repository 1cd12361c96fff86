"""A write that the driver repeats, since the answer to the first was lost, must leave what one leaves."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from core.models import Cut, Failure, Idempotency, WindowResult
from core.states import TaskStatus
from tests.integration.store.test_tasks import a_task
from tests.support.tasks import claim_one, complete_one

WRITES = {"bulk_write", "insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many"}
OOPS = Failure(code="oops", message="Oops.")
CHANCE = {"started_at", "finished_at", "not_before", "claim", "announced"}  # clocks, and marks of single calls


class Stutter:
    """Between a store and its collection: every write is done twice, and the second answer is the one that arrives."""

    def __init__(self, store: Any) -> None:
        (name,) = vars(store)
        self._collection = getattr(store, name)
        setattr(store, name, self)

    def __getattr__(self, operation: str) -> Any:
        real = getattr(self._collection, operation)
        if operation not in WRITES:
            return real

        async def twice(*values: Any, **options: Any) -> Any:
            await real(*values, **options)
            return await real(*copy.deepcopy(values), **options)

        return twice


async def preparing(r):
    """The task, claimed. Where the answer to a claim is lost nobody works on it, so it is read from the store."""
    await r.tasks.claim("t", "me")
    (task,) = await r.tasks.owned_by("me")
    return task


async def give_back_task(r):
    await r.tasks.give_back(await preparing(r), interrupted=True)


async def process(r):
    task = await preparing(r)
    await r.tasks.declare(task, 100)
    await r.tasks.start_processing(task, "en", 0.5)
    await r.tasks.note_cut(task, 2)
    await r.tasks.finish_cutting(task, chunks_total=2, duration_samples=90, silent_samples=10)


async def cancel(r):
    await r.chunks.cancel("t")
    await r.tasks.cancel("t")


async def reopen(r):
    await r.tasks.end(await r.tasks.get("t"), TaskStatus.FAILED, error=OOPS)
    await r.tasks.reopen("t", TaskStatus.QUEUED)


async def delete(r):
    await r.tasks.mark_deleted("t")
    await r.chunks.purge("t")
    await r.tasks.purge("t")


async def mark_deleted(r):
    await r.tasks.mark_deleted("t")


async def insert_with_key(r):
    known = Idempotency(key="k", fingerprint="f", language=None)
    await r.tasks.insert(replace(a_task("u"), idempotency=known))
    await r.tasks.forget_key("t")


async def cut_again(r):
    await r.chunks.add("t", [Cut(index=index, start=0, end=9, core_start=0, core_end=9) for index in range(3)])


async def complete(r):
    await complete_one(r.chunks, await claimed(r), WindowResult(segments=()))


async def fail(r):
    await r.chunks.fail(await claimed(r), OOPS, attempts_left=True)


async def fail_for_good(r):
    await r.chunks.fail(await claimed(r), OOPS, attempts_left=False)
    await r.chunks.reopen("t")


async def give_back_chunk(r):
    await r.chunks.give_back(await claimed(r), interrupted=True)


async def heartbeat(r):
    await r.workers.register("w", slots=1, batch=1)
    await r.workers.beat("w", 3)


async def leave(r):
    await r.workers.remove("w")


async def claimed(r):
    """Chunk 0, claimed, likewise."""
    await r.chunks.queue("t", 0)
    await claim_one(r.chunks, "t", 0, "me")
    (chunk,) = await r.chunks.owned_by("me")
    return chunk


MOVES = [
    cancel, claimed, complete, cut_again, delete, fail, fail_for_good, give_back_chunk, give_back_task, heartbeat,
    insert_with_key, leave, mark_deleted, preparing, process, reopen,
]  # fmt: skip


async def left_by(resources, move) -> dict[str, Any]:
    """Every document after the move, on a fresh start, without what clocks and chance put in."""
    database = resources.tasks._tasks.database
    for name in ("tasks", "chunks", "workers"):
        await getattr(resources, name).__dict__[f"_{name}"].delete_many({})
    await resources.tasks.insert(a_task())
    await resources.chunks.add("t", [Cut(index=0, start=0, end=9, core_start=0, core_end=9)])
    await move(resources)
    found = {}
    for name in ("tasks", "chunks", "workers"):
        async for document in database[name].find():
            found[document["_id"]] = {key: value for key, value in document.items() if key not in CHANCE}
    return found


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
async def test_a_write_that_is_repeated_counts_once(resources, move):
    """Attempts, fences, states, counts: as if the network had been well."""
    once = await left_by(resources, move)
    for store in (resources.tasks, resources.chunks, resources.workers):
        Stutter(store)
    assert await left_by(resources, move) == once
