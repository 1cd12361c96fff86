"""Which chunks of a task are announced to the workers: the part of the chunk store that hands out credits.

The next pending chunk is looked for in small blocks of ids: the embedded database has no limit push-down into its
indexes, and takes for each id that it is asked about as long as for an operation. What is asked is mostly told by the
first few: the blocks begin small.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import uuid4

from pymongo.errors import PyMongoError

from core.adapters.mongo.client import Collection, Database, guarded
from core.adapters.mongo.documents import Document, chunk_id
from core.adapters.mongo.refusals import is_passing
from core.states import ChunkState

OUT = [ChunkState.QUEUED.value, ChunkState.RUNNING.value]
BLOCK = 32  # ids looked at in one query for the next pending chunk, at most
FIRST_LOOK = 2  # ids, where one that is pending is enough
# The database's own clock, in milliseconds. As a number: SecantusDB 0.7 finds every stored date equal to $$NOW.
NOW = {"$toLong": "$$NOW"}


class Announcements:
    """Pending chunks by task and index, marked as announced and back."""

    def __init__(self, database: Database) -> None:
        self._chunks: Collection = database["chunks"]

    async def queue_some(self, task_id: str, start: int, stop: int, most: int, new: int | None = None) -> list[int]:
        """Announce the first pending chunks in ``[start, stop)``, at most so many; their indexes in order.

        Those from ``new`` on were stored just now by whoever asks: they are taken for pending without a look.
        """
        taken: list[int] = []
        for block in _blocks(start, stop, first=most):
            looked = None if new is not None and block.start >= new else await self._ready(task_id, block)
            ready = [*(dict.fromkeys(block) if looked is None else looked).items()]
            while ready and len(taken) < most:  # others may take some of them meanwhile
                left = most - len(taken)
                taken += await self._announce(task_id, dict(ready[:left]))
                ready = ready[left:]
            if len(taken) >= most:
                break
        return taken

    async def withdraw(self, task_id: str, indexes: Sequence[int]) -> None:
        """Take an announcement back that nobody has heard yet; chunks that were claimed all the same stay claimed."""
        where = {"_id": {"$in": [chunk_id(task_id, index) for index in indexes]}, "state": "queued"}
        with guarded():
            await self._chunks.update_many(where, {"$set": {"state": "pending"}})

    async def queue(self, task_id: str, index: int) -> bool:
        """Announce one pending chunk whose delay is over."""
        ready = await self._ready(task_id, [index])
        return bool(await self._announce(task_id, ready))

    async def has_pending(self, task_id: str, start: int, stop: int) -> bool:
        """Whether a chunk in ``[start, stop)`` waits to be announced."""
        for block in _blocks(start, stop, first=FIRST_LOOK):
            if await self._ready(task_id, block):
                return True
        return False

    async def has_pending_before(self, task_id: str, index: int) -> bool:
        """The same for all before this one. It costs by how many are pending, and not by how many have ended."""
        where = {"task": task_id, "state": "pending", "index": {"$lt": index}}
        with guarded():
            return index > 0 and await self._chunks.find_one(where, {"index": 1}) is not None

    async def out(self, task_id: str) -> int:
        """How many chunks of the task are announced or running."""
        with guarded():
            return await self._chunks.count_documents({"task": task_id, "state": {"$in": OUT}})

    async def queued(self, task_id: str) -> dict[int, int]:
        """The chunks that are announced and not yet claimed: core samples by index."""
        with guarded():
            cursor = self._chunks.find({"task": task_id, "state": "queued"}, {"index": 1, "core": 1})
            return {document["index"]: document["core"] async for document in cursor}

    async def _ready(self, task_id: str, indexes: Iterable[int]) -> dict[int, int | None]:
        """Which of these are pending and may be announced now, in order, each with the end of its delay."""
        ids = [chunk_id(task_id, index) for index in indexes]
        stages: list[Document] = [
            {"$match": {"_id": {"$in": ids}, "state": "pending"}},
            {"$project": {"index": 1, "not_before": 1, "now": NOW}},
        ]
        with guarded():
            found = await (await self._chunks.aggregate(stages)).to_list()
        ends = {document["index"]: (document.get("not_before"), document["now"]) for document in found}
        return {index: end for index, (end, now) in sorted(ends.items()) if end is None or end <= now}

    async def _announce(self, task_id: str, ready: Mapping[int, int | None]) -> list[int]:
        """Mark those as announced that are still as they were read (index: end of its delay), in one write; which ones.

        A mark of this call tells which those were where others announce at the same moment.
        """
        mark, ids = uuid4().hex, [chunk_id(task_id, index) for index in ready]
        due = [None, *{end for end in ready.values() if end is not None}]  # whichever of these a chunk has, it may go
        where = {"_id": {"$in": ids}, "state": "pending", "not_before": {"$in": due}}
        with guarded():
            if await self._change(where, {"$set": {"state": "queued", "announced": mark}}) == len(ready):
                return list(ready)
            found = await self._chunks.find({"_id": {"$in": ids}, "announced": mark}, {"index": 1}).to_list()
        return sorted(document["index"] for document in found)

    async def _change(self, where: Document, changes: Document) -> int:
        """One write to many, of which none must match any more that is changed; how many were changed.

        The driver repeats a write to many for nobody when a connection breaks or another server becomes the primary.
        Here it may be: what the first has changed stays as it is. It does not count, but has the caller's mark.
        """
        try:
            result = await self._chunks.update_many(where, changes)
        except PyMongoError as error:
            if not is_passing(error):
                raise
            result = await self._chunks.update_many(where, changes)
        return result.matched_count


def _blocks(start: int, stop: int, *, first: int) -> Iterator[range]:
    """The indexes in their order, a few at a time."""
    size = min(first, BLOCK)
    while start < stop:
        yield range(start, min(start + size, stop))
        start, size = start + size, BLOCK
