"""The ``chunks`` collection: one document per window, found by its own id wherever that is possible.

Queries that match thousands of documents are avoided on the hot path. The embedded database reads the whole collection
for a condition with ``$or`` or ``$expr``, whatever ids stand beside it: hot conditions are on plain fields, and what is
more than that is decided here, on what was read.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from uuid import uuid4

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from core.adapters.mongo.announcing import NOW, OUT, Announcements
from core.adapters.mongo.client import guarded
from core.adapters.mongo.documents import (
    Document,
    chunk_document,
    chunk_id,
    chunk_value,
    failure_document,
    result_document,
)
from core.adapters.mongo.tally import Tally
from core.models import Chunk, Cut, Failure, WindowResult
from core.states import ChunkState, chunk_sources

PAGE = 100  # chunks read at once; with their text about 0.5 MB
NO_RESULT = {"result": 0}
SUSPICIOUS_DEATHS = 3  # of workers under one chunk: killed from outside once or twice says nothing about the chunk
# As in ``suspect``, for a write.
HEALTHY: Document = {"attempts": {"$not": {"$gt": 0}}, "interruptions": {"$not": {"$gte": SUSPICIOUS_DEATHS}}}


class ChunkStore(Announcements):
    """Chunks by task and index. ``None`` or ``False`` says that the condition of a write did not hold."""

    # --- cutting

    async def add(self, task_id: str, cuts: Sequence[Cut]) -> None:
        """Store new chunks; those that are there already stay as they are."""
        documents = [chunk_document(task_id, cut) for cut in cuts]
        with suppress(BulkWriteError), guarded():  # it raises that one of duplicates alone
            await self._chunks.insert_many(documents, ordered=False)

    async def known(self, task_id: str) -> set[int]:
        """The indexes that an earlier attempt at cutting has stored."""
        with guarded():
            cursor = self._chunks.find({"task": task_id}, {"index": 1})
            return {document["index"] async for document in cursor}

    # --- transcribing

    async def suspect(self, chunks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Which of these (task, index) an engine or a process has failed on, or workers have died over repeatedly.

        With the number of attempts that each has had. Only what may be claimed: a running one's own attempt is counted.
        """
        where = {"_id": {"$in": [chunk_id(task_id, index) for task_id, index in chunks]}, "state": "queued"}
        with guarded():
            found = await self._chunks.find(where, {"result": 0}).to_list()
        values = [chunk_value(document) for document in found]
        suspects = [each for each in values if each.attempts > 0 or each.interruptions >= SUSPICIOUS_DEATHS]
        return {(each.task_id, each.cut.index): each.attempts for each in suspects}

    async def claim(self, chunks: Sequence[tuple[str, int]], owner: str, *, healthy: bool = False) -> list[Chunk]:
        """Take those of these (task, index) that are announced. Counts an attempt of each and raises its fence.

        ``healthy``: but for suspects. One write and one read, however many they are. Each call leaves a mark of its
        own: what the owner has under way already is not taken for new, and what a write has done that had to be
        repeated is known.
        """
        mark, ids = uuid4().hex, [chunk_id(task_id, index) for task_id, index in chunks]
        changes = {"$set": {"state": "running", "owner": owner, "claim": mark}, "$inc": {"fence": 1, "attempts": 1}}
        with guarded():
            await self._change({"_id": {"$in": ids}, "state": "queued", **(HEALTHY if healthy else {})}, changes)
            # The embedded database scans the collection for find_one_and_update, so they are read in a second step.
            # What is ours stays as it is, unless it is cancelled in between.
            found = await self._chunks.find({"_id": {"$in": ids}, "state": "running", "claim": mark}).to_list()
        return [chunk_value(document) for document in found]

    async def complete(self, results: Sequence[tuple[Chunk, WindowResult]]) -> set[tuple[str, int]]:
        """Store the results of those whose claim still holds, in one write; which (task, index) these are.

        The others were taken over by somebody: throw those results away.
        """
        writes = [UpdateOne(self._mine(chunk), {"$set": _done(result)}) for chunk, result in results]
        chunks = [chunk for chunk, _ in results]
        with guarded():
            stored = (await self._chunks.bulk_write(writes, ordered=False)).matched_count
        return _names(chunks) if stored == len(chunks) else await self._stored(chunks)

    async def _stored(self, chunks: Sequence[Chunk]) -> set[tuple[str, int]]:
        """Also what an earlier try has stored whose answer was lost: a fence is of one claim only."""
        ids = [chunk_id(chunk.task_id, chunk.cut.index) for chunk in chunks]
        with guarded():
            found = await self._chunks.find({"_id": {"$in": ids}, "state": "done"}, {"fence": 1}).to_list()
        fences = {document["_id"]: document["fence"] for document in found}
        return _names([chunk for id_, chunk in zip(ids, chunks, strict=True) if fences.get(id_) == chunk.fence])

    async def fail(self, chunk: Chunk, error: Failure, *, attempts_left: bool, delay_seconds: float = 0.0) -> bool:
        """Store a failed attempt: for good, or to be tried again after the delay (on the database's clock)."""
        values: Document = {"owner": None, "error": failure_document(error)}
        if not attempts_left:
            return await self._owned(chunk, {"$set": {**values, "state": "failed"}})
        later = {"$add": [NOW, int(delay_seconds * 1000)]}
        stages = [
            {"$set": {"owner": None, "error": {"$literal": values["error"]}, "state": "pending", "not_before": later}}
        ]
        return await self._owned(chunk, stages)

    async def give_back(self, chunk: Chunk, *, interrupted: bool = False, delay_seconds: float = 0.0) -> bool:
        """Let go without counting the attempt; ``interrupted`` counts that a worker died over it."""
        values: Document = {
            "state": "pending",
            "owner": None,
            "attempts": {"$subtract": ["$attempts", 1]},
            "interruptions": {"$add": ["$interruptions", int(interrupted)]},
            "not_before": {"$add": [NOW, int(delay_seconds * 1000)]},
        }
        return await self._owned(chunk, [{"$set": values}])

    async def lost(self, chunks: Sequence[Chunk]) -> set[tuple[str, int]]:
        """Which of these running chunks are no longer their claimant's: cancelled, deleted or taken over."""
        if not chunks:
            return set()
        ids = [chunk_id(chunk.task_id, chunk.cut.index) for chunk in chunks]
        with guarded():
            cursor = self._chunks.find({"_id": {"$in": ids}, "state": "running"}, {"fence": 1})
            held = {(document["_id"], document["fence"]) async for document in cursor}
        pairs = zip(ids, chunks, strict=True)
        return {(chunk.task_id, chunk.cut.index) for id_, chunk in pairs if (id_, chunk.fence) not in held}

    async def owned_by(self, owner: str) -> list[Chunk]:
        """The chunks that this worker runs."""
        with guarded():
            documents = await self._chunks.find({"owner": owner, "state": "running"}).to_list()
        return [chunk_value(document) for document in documents]

    async def at_work(self, task_id: str) -> list[Chunk]:
        """The task's chunks that are announced or that somebody runs."""
        with guarded():
            documents = await self._chunks.find({"task": task_id, "state": {"$in": OUT}}).to_list()
        return [chunk_value(document) for document in documents]

    # --- the whole task

    async def tally(self, task_id: str) -> Tally:
        """Count chunks and core samples by state."""
        stages: list[Document] = [
            {"$match": {"task": task_id}},
            {"$group": {"_id": "$state", "chunks": {"$sum": 1}, "samples": {"$sum": "$core"}}},
        ]
        with guarded():
            groups = await (await self._chunks.aggregate(stages)).to_list()
        return Tally(
            chunks={ChunkState(group["_id"]): group["chunks"] for group in groups},
            samples={ChunkState(group["_id"]): group["samples"] for group in groups},
        )

    async def cancel(self, task_id: str) -> None:
        """Cancel whatever of the task has not ended; running claims lose their fence."""
        with guarded():
            where = {"task": task_id, "state": {"$in": chunk_sources(ChunkState.CANCELLED)}}
            await self._chunks.update_many(where, {"$set": {"state": "cancelled", "owner": None}, "$inc": {"fence": 1}})

    async def reopen(self, task_id: str) -> int:
        """Let the failed chunks run again (retry); how many there were."""
        zeros = {"state": "pending", "attempts": 0, "interruptions": 0, "not_before": None}
        with guarded():
            result = await self._chunks.update_many({"task": task_id, "state": "failed"}, {"$set": zeros})
        return result.modified_count

    async def iterate(self, task_id: str, *, results: bool = True) -> AsyncIterator[Chunk]:
        """Every chunk in order, a page at a time, with or without what was transcribed."""
        cursor = self._chunks.find(_all_of(task_id), None if results else NO_RESULT).sort("_id", 1).batch_size(PAGE)
        while True:
            with guarded():  # each page has its own deadline: a reader may be slow
                page = await cursor.to_list(PAGE)
            for document in page:
                yield chunk_value(document)
            if not page:
                return

    async def pcm_keys(self, task_id: str, *states: ChunkState) -> set[str]:
        """The audio blobs of the chunks in these states."""
        return {chunk.pcm_key async for chunk in self.iterate(task_id, results=False) if chunk.state in states}

    async def purge(self, task_id: str) -> None:
        """Remove every chunk of a deleted task."""
        with guarded():
            await self._chunks.delete_many({"task": task_id})

    async def _owned(self, chunk: Chunk, changes: Document | list[Document]) -> bool:
        with guarded():
            result = await self._chunks.update_one(self._mine(chunk), changes)
        return result.matched_count == 1

    def _mine(self, chunk: Chunk) -> Document:
        """The fence: a write by a claimant counts only while its claim is the newest."""
        return {
            "_id": chunk_id(chunk.task_id, chunk.cut.index),
            "state": "running",
            "owner": chunk.owner,
            "fence": chunk.fence,
        }


def _done(result: WindowResult) -> Document:
    return {"state": "done", "owner": None, "error": None, "result": result_document(result)}


def _names(chunks: Iterable[Chunk]) -> set[tuple[str, int]]:
    return {(chunk.task_id, chunk.cut.index) for chunk in chunks}


def _all_of(task_id: str) -> Document:
    """By range of the ids, which have the index's order already."""
    return {"_id": {"$gt": f"{task_id}:", "$lt": f"{task_id};"}}
