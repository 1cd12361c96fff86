"""The ``workers`` collection: who is there, how much it can do, and a counter that moves while it lives."""

from dataclasses import dataclass

from core.adapters.mongo.client import Collection, Database, guarded


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerInfo:
    """One worker process. ``beats`` moves while it lives; nobody compares clocks."""

    id: str
    slots: int
    batch: int
    beats: int


class WorkerStore:
    """Workers by id."""

    def __init__(self, database: Database) -> None:
        self._workers: Collection = database["workers"]

    async def register(self, worker_id: str, *, slots: int, batch: int, beats: int = 0) -> None:
        """Announce a worker."""
        values = {"v": 1, "slots": slots, "batch": batch, "beats": beats}
        with guarded():
            await self._workers.update_one({"_id": worker_id}, {"$set": values}, upsert=True)

    async def beat(self, worker_id: str, count: int) -> bool:
        """Show that the worker lives; False where others have declared it dead."""
        with guarded():
            result = await self._workers.update_one({"_id": worker_id}, {"$max": {"beats": count}})
        return result.matched_count == 1

    async def all(self) -> list[WorkerInfo]:
        """Every worker that is announced, dead ones not yet removed included."""
        with guarded():
            documents = await self._workers.find().to_list()
        return [WorkerInfo(id=d["_id"], slots=d["slots"], batch=d["batch"], beats=d["beats"]) for d in documents]

    async def remove(self, worker_id: str) -> None:
        """Take a worker off the list: it left, or it is dead and its work was given to others."""
        with guarded():
            await self._workers.delete_one({"_id": worker_id})
