"""The ``tasks`` collection. Every change of state is one conditional write on one document."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from pymongo.errors import DuplicateKeyError

from core.adapters.mongo.client import Collection, Database, guarded
from core.adapters.mongo.documents import (
    Document,
    coverage_document,
    failure_document,
    task_document,
    task_value,
)
from core.models import Coverage, Failure, Task
from core.states import TASK_ENDED, TaskStatus, task_sources

PREPARABLE = [TaskStatus.QUEUED.value, TaskStatus.PREPARING.value, TaskStatus.PROCESSING.value]


def now() -> datetime:
    """Wall time, for display only: no decision compares the clocks of two machines."""
    return datetime.now(UTC)


class TaskStore:
    """Tasks by id. ``None`` or ``False`` says that the condition of a write did not hold."""

    def __init__(self, database: Database) -> None:
        self._tasks: Collection = database["tasks"]

    # --- reading

    async def insert(self, task: Task) -> bool:
        """Store a new task; False where its id is taken (the same insert again), or its idempotency key."""
        try:
            with guarded():
                await self._tasks.insert_one(task_document(task))
        except DuplicateKeyError:
            return False
        return True

    async def get(self, task_id: str, *, deleted: bool = False) -> Task | None:
        """One task; a deleted one only when asked for."""
        with guarded():
            document = await self._tasks.find_one({"_id": task_id})
        if document is None or (document.get("deleted") and not deleted):
            return None
        return task_value(document)

    async def newest(
        self, *, status: TaskStatus | None = None, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> list[Task]:
        """Newest first; ``before`` is (created_at, id) of the last task of the page before."""
        where: Document = {"deleted": False}
        if status is not None:
            where["status"] = status.value
        if before is not None:
            moment, task_id = before
            where["$or"] = [{"created_at": {"$lt": moment}}, {"created_at": moment, "_id": {"$lt": task_id}}]
        with guarded():
            cursor = self._tasks.find(where).sort([("created_at", -1), ("_id", -1)]).limit(limit)
            return [task_value(document) async for document in cursor]

    async def open(self) -> AsyncIterator[Task]:
        """Tasks that are not ended, or ended but not yet tidied up, or being deleted; oldest first."""
        with guarded():
            documents = await self._tasks.find({"open": True}).sort("created_at", 1).to_list()
        for document in documents:
            yield task_value(document)

    async def existing(self, task_ids: list[str]) -> set[str]:
        """Which of these ids have a document."""
        with guarded():
            cursor = self._tasks.find({"_id": {"$in": task_ids}}, {"_id": 1})
            return {document["_id"] async for document in cursor}

    async def expired(self, before: datetime, *, limit: int = 100) -> list[Task]:
        """Tasks that ended before ``before`` (with a time zone) and are not yet deleted; those that ended first, first.

        Delete what comes and ask again until nothing does.
        """
        with guarded():
            cursor = self._tasks.find(_ended_before(before)).sort("finished_at", 1).limit(limit)
            return [task_value(document) async for document in cursor]

    async def by_key(self, key: str) -> Task | None:
        """The task that was accepted with this idempotency key (hashed), unless it is deleted or the key forgotten."""
        with guarded():
            document = await self._tasks.find_one({"idempotency.key": key})
        return task_value(document) if document else None

    async def forget_key(self, task_id: str) -> None:
        """Let the task's idempotency key be used anew."""
        with guarded():
            await self._tasks.update_one({"_id": task_id}, {"$unset": {"idempotency": ""}})

    async def waiting(self, *, limit: int) -> int:
        """How many tasks wait for a worker; counts to ``limit`` and no further."""
        with guarded():
            return await self._tasks.count_documents({"status": TaskStatus.QUEUED.value}, limit=limit)

    async def any(self) -> bool:
        """Whether there is any task at all."""
        with guarded():
            return await self._tasks.find_one({}, {"_id": 1}) is not None

    # --- preparing

    async def claim(self, task_id: str, owner: str) -> Task | None:
        """Take over the preparing of a task that nobody prepares. Counts an attempt and raises the fence."""
        where = {"_id": task_id, "deleted": False, "owner": None, "chunks_total": None}
        changes: Document = {"$set": {"owner": owner}, "$inc": {"fence": 1, "attempts": 1}}
        first: Document = {
            "$set": {**changes["$set"], "status": "preparing", "started_at": now()},
            "$inc": changes["$inc"],
        }
        claimed = await self._change({**where, "status": {"$in": task_sources(TaskStatus.PREPARING)}}, first, owner)
        return claimed or await self._change({**where, "status": {"$in": PREPARABLE}}, changes, owner)

    async def give_back(self, task: Task, *, interrupted: bool = False) -> bool:
        """Let go of preparing without counting the attempt; ``interrupted`` counts that a worker died over it."""
        counts = {"attempts": -1, "interruptions": 1} if interrupted else {"attempts": -1}
        return await self._owned(task, {"$set": {"owner": None}, "$inc": counts})

    async def let_go(self, task: Task) -> bool:
        """Let go of preparing; the attempt counts."""
        return await self._owned(task, {"$set": {"owner": None}})

    async def owned_by(self, owner: str) -> list[Task]:
        """The tasks that this worker prepares."""
        with guarded():
            documents = await self._tasks.find({"open": True, "owner": owner}).to_list()
        return [task_value(document) for document in documents]

    async def declare(self, task: Task, samples: int | None) -> bool:
        """Note what the file says of its length. False where the claim is gone: stop preparing."""
        return await self._owned(task, {"$set": {"declared_samples": samples}})

    async def start_processing(self, task: Task, language: str, probability: float | None) -> bool:
        """The language is known, found or given, and chunks may be transcribed. False where the claim is gone."""
        found = {"options.language": language, "language_probability": probability}
        return await self._owned(task, {"$set": {**found, "status": "processing"}}, [*PREPARABLE])

    async def holds(self, task: Task) -> bool:
        """Whether the claim is still the newest."""
        return await self._owned(task, {"$set": {"owner": task.owner}}, PREPARABLE)

    async def note_cut(self, task: Task, chunks_cut: int) -> bool:
        """Note how many chunks are known. False where the claim is gone: stop preparing."""
        return await self._owned(task, {"$max": {"chunks_cut": chunks_cut}}, ["processing"])

    async def finish_cutting(
        self,
        task: Task,
        *,
        chunks_total: int,
        duration_samples: int,
        silent_samples: int,
        warnings: Sequence[str] = (),
    ) -> bool:
        """Every chunk is known: preparing is over and owned by nobody."""
        values: Document = {
            "chunks_total": chunks_total,
            "chunks_cut": chunks_total,
            "duration_samples": duration_samples,
            "coverage.silent_samples": silent_samples,
            "warnings": list(warnings),
            "owner": None,
        }
        return await self._owned(task, {"$set": values})

    # --- progress and end

    async def note_progress(
        self, task: Task, *, completed: int, failed: int, coverage: Coverage, progress: float
    ) -> None:
        """Raise the figures that a poll reads. Never lowers one, so late and repeated calls are harmless.

        ``task``: as it was before they were counted. Figures from before a retry are not those after it.
        """
        raised = {
            "chunks_completed": completed,
            "chunks_failed": failed,
            "coverage.transcribed_samples": coverage.transcribed_samples,
            "coverage.failed_samples": coverage.failed_samples,
            "progress": progress,
        }
        with guarded():
            where = {"_id": task.id, "fence": task.fence, "status": "processing"}
            await self._tasks.update_one(where, {"$max": raised})

    async def end(
        self,
        task: Task,
        status: TaskStatus,
        *,
        completed: int = 0,
        failed: int = 0,
        coverage: Coverage | None = None,
        error: Failure | None = None,
    ) -> bool:
        """Move a task to a final status with its exact figures. ``task``: as it was before they were counted.

        False where it had ended before, or was retried or claimed since then.
        """
        values: Document = {"status": status.value, "finished_at": now(), "owner": None, "progress": 1.0}
        values |= {"chunks_completed": completed, "chunks_failed": failed}
        values["error"] = failure_document(error) if error else None
        if coverage is not None:
            values["coverage"] = coverage_document(coverage)
        if status is not TaskStatus.COMPLETED:
            values.pop("progress")
        return await self._moved(task.id, status, {"$set": values}, fence=task.fence)

    async def fail_preparing(self, task: Task, error: Failure) -> bool:
        """End a task whose upload cannot be prepared, if the claim still holds."""
        values = {"status": "failed", "finished_at": now(), "owner": None, "error": failure_document(error)}
        return await self._owned(task, {"$set": values}, task_sources(TaskStatus.FAILED))

    async def cancel(self, task_id: str) -> bool:
        """Stop a task that has not ended; False where it has."""
        values = {"status": "cancelled", "finished_at": now(), "owner": None}
        return await self._moved(task_id, TaskStatus.CANCELLED, {"$set": values, "$inc": {"fence": 1}})

    async def note_stopped(self, task_id: str, *, completed: int, failed: int, coverage: Coverage) -> None:
        """Write where the audio of a task went that was cancelled or could not be prepared to its end."""
        values = {"chunks_completed": completed, "chunks_failed": failed, "coverage": coverage_document(coverage)}
        with guarded():
            where = {"_id": task_id, "status": {"$in": ["cancelled", "failed"]}}
            await self._tasks.update_one(where, {"$set": values})

    async def reopen(self, task_id: str, status: TaskStatus) -> bool:
        """Let an ended task run again (retry), as ``processing`` or from the start as ``queued``.

        The time that it lay there does not count: its start moves on by as much, so speed and time to go stay true.
        """
        task = await self.get(task_id)
        if task is None:
            return False
        worked = task.finished_at - task.started_at if task.finished_at and task.started_at else None
        values: Document = {"status": status.value, "open": True, "finished_at": None, "error": None}
        values["started_at"] = now() - worked if worked else task.started_at
        zeros = {"chunks_failed": 0, "coverage.failed_samples": 0, "attempts": 0, "interruptions": 0}
        return await self._moved(task_id, status, {"$set": values | zeros, "$inc": {"fence": 1}})

    # --- tidying up

    async def close(self, task_id: str) -> None:
        """Nothing is left to do for an ended task: the sweeper need not look at it again."""
        with guarded():
            ended = {"_id": task_id, "deleted": False, "status": {"$in": sorted(TASK_ENDED)}}
            await self._tasks.update_one(ended, {"$set": {"open": False}})

    async def mark_deleted(self, task_id: str, *, ended_before: datetime | None = None) -> bool:
        """Hide a task for good (one that has ended before a moment, and still has); False where there is none."""
        with guarded():
            changes: Document = {"$set": {"deleted": True, "open": True, "owner": None}, "$inc": {"fence": 1}}
            changes["$unset"] = {"idempotency": ""}
            where = _ended_before(ended_before) if ended_before else {"deleted": False}
            result = await self._tasks.update_one({"_id": task_id, **where}, changes)
        return result.matched_count == 1

    async def purge(self, task_id: str) -> None:
        """Remove the document of a deleted task, last of all."""
        with guarded():
            await self._tasks.delete_one({"_id": task_id, "deleted": True})

    # --- writing

    async def _owned(self, task: Task, changes: Document, statuses: list[str] | None = None) -> bool:
        """The fence: a write by a preparer counts only while its claim is the newest."""
        where: Document = {"_id": task.id, "owner": task.owner, "fence": task.fence, "deleted": False}
        if statuses is not None:
            where["status"] = {"$in": statuses}
        with guarded():
            result = await self._tasks.update_one(where, changes)
        return result.matched_count == 1

    async def _moved(self, task_id: str, target: TaskStatus, changes: Document, fence: int | None = None) -> bool:
        where: Document = {"_id": task_id, "deleted": False, "status": {"$in": task_sources(target)}}
        if fence is not None:
            where["fence"] = fence
        with guarded():
            result = await self._tasks.update_one(where, changes)
        return result.matched_count == 1

    async def _change(self, where: Document, changes: Document, owner: str) -> Task | None:
        """In two steps, since the embedded database scans the collection for find_one_and_update."""
        with guarded():
            if (await self._tasks.update_one(where, changes)).matched_count == 0:
                return None
            document = await self._tasks.find_one({"_id": where["_id"], "owner": owner})
        return task_value(document) if document else None


def _ended_before(moment: datetime) -> Document:
    return {"finished_at": {"$lt": moment}, "deleted": False, "status": {"$in": sorted(TASK_ENDED)}}
