"""What was seen so far, and what must hold of all that is seen after it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from core.config import Settings
from core.models import Pcm
from core.states import TASK_MOVES, TaskStatus
from tests.support.machine_sound import heard, texts_of

Document = dict[str, Any]
OUT = {"queued", "running"}
CUTTING = ("declared_samples", "chunks_cut", "chunks_total", "duration_samples", "language_probability")


class Ledger:
    """Looks at the database beside the product. ``clock``: the loop's."""

    def __init__(self, database: Any, clock: Callable[[], float], settings: Settings) -> None:
        self.database, self._clock, self._settings = database, clock, settings
        self.recordings: dict[str, str] = {}
        self.accepted: set[str] = set()
        self.deleting: set[str] = set()
        self.tasks: dict[str, Document] = {}
        self.chunks: dict[str, Document] = {}
        self.blames: Counter[str] = Counter()  # failures that a chunk has to answer for
        self._beats: dict[str, float] = {}
        self._doubtful: set[str] = set()  # processes that were dead, had left, or seemed dead at some time
        self.broken: list[str] = []  # what was seen in the middle of a step

    # --- what happens

    def failed(self, worker: str, pcm: Pcm) -> None:
        """An engine failed on one window."""
        text = heard(pcm)
        for chunk in self._running(worker):
            if self.text_of(chunk) == text:
                self.blames[chunk["_id"]] += 1

    def died(self, worker: str, *, crashed: bool) -> None:
        """A worker is gone; ``crashed``: whatever it ran counts an attempt, since nobody can tell which it was."""
        self._doubtful.add(worker)
        if crashed:
            self.blames.update(chunk["_id"] for chunk in self._running(worker))

    def left(self, worker: str) -> None:
        """A worker has ended in order; what it could not give back for an outage is freed like a dead one's."""
        self._doubtful.add(worker)

    def watch(self, process: str, collection: str, values: Any) -> Callable[[], None]:
        """Before a write by a process; call what is returned after it."""
        if collection == "workers" and values[0].get("_id") == process:
            self._beat(process)
        if collection not in {"chunks", "tasks"}:
            return lambda: None
        written = self._written if collection == "chunks" else self._prepared
        before = {name: self.database[collection].find_one({"_id": name}) for name in _names(values[0])}

        def ended() -> None:
            for name, document in before.items():
                written(process, document, self.database[collection].find_one({"_id": name}))

        return ended

    def _beat(self, process: str) -> None:
        if self._silent(process):
            self._doubtful.add(process)
        self._beats[process] = self._clock()

    def _prepared(self, process: str, before: Document | None, after: Document | None) -> None:
        """What only the one who prepares a task may say of it."""
        if before is None or after is None or before["owner"] == process:
            return
        changed = [name for name in CUTTING if before.get(name) != after.get(name)]
        if changed:
            self.broken.append(f"{process} wrote {changed} of {before['_id']}, which {before['owner']} prepares")

    def _lives(self, owner: str, process: str) -> bool:
        """Whether another process had no reason to take it for dead."""
        return owner != process and owner not in self._doubtful and not self._silent(owner)

    def _silent(self, process: str) -> bool:
        return self._clock() - self._beats.get(process, self._clock()) >= self._settings.dead_after_seconds

    def _written(self, process: str, before: Document | None, after: Document | None) -> None:
        if before is None or after is None or before == after:
            return
        name, owner = before["_id"], before["owner"]
        if before["state"] == "done":
            self.broken.append(f"{process} changed {name}, which was done")
        elif after["state"] == "done" and owner != process:
            self.broken.append(f"a result of {process} landed in {name}, which was {before['state']} by {owner}")
        elif before["state"] == "running" and after["state"] in {"pending", "failed"} and self._lives(owner, process):
            self.broken.append(f"{process} took {name} from {owner}, who lives")

    # --- what must hold

    def look(self, processes: int) -> None:
        """Compare what there is with what there was. ``processes``: how many may hand on credits at once."""
        assert not self.broken, self.broken
        tasks = {task["_id"]: task for task in self.database["tasks"].find()}
        chunks = {chunk["_id"]: chunk for chunk in self.database["chunks"].find()}
        for name, task in tasks.items():
            self._task(self.tasks.get(name), task)
        for name, chunk in chunks.items():
            self._chunk(self.chunks.get(name), chunk)
        self._present(tasks, chunks)
        self._credits(tasks, chunks, processes)
        self.tasks, self.chunks = tasks, chunks

    def _task(self, before: Document | None, task: Document) -> None:
        name = task["_id"]
        if before is None:
            return
        for figure in ("progress", "chunks_completed", "chunks_cut", "fence"):
            assert task.get(figure, 0) >= before.get(figure, 0), f"{figure} of {name} fell"
        assert task["status"] in reachable(before["status"]), f"{name}: {before['status']} to {task['status']}"
        assert task["attempts"] <= self._settings.max_chunk_attempts, f"{name}: {task['attempts']} attempts"

    def _chunk(self, before: Document | None, chunk: Document) -> None:
        name, attempts, blames = chunk["_id"], chunk["attempts"], self.blames[chunk["_id"]]
        assert 0 <= attempts <= self._settings.max_chunk_attempts, f"{name}: {attempts} attempts"
        current = chunk["state"] in {"running", "done", "cancelled"}
        assert attempts <= blames + current, f"{name}: {attempts} attempts and {blames} failures ({chunk['state']})"
        if chunk["state"] == "done":
            assert chunk["result"]["segments"][0]["text"] == self.text_of(chunk), f"{name} has another's text"
        if before is not None:
            assert chunk["fence"] >= before["fence"], f"the fence of {name} fell"
            assert before["state"] != "done" or chunk == before, f"{name} was done and has changed"

    def _present(self, tasks: dict[str, Document], chunks: dict[str, Document]) -> None:
        for name in self.accepted - self.deleting:
            assert name in tasks, f"{name} was accepted and is gone"
        for name, chunk in self.chunks.items():
            assert name in chunks or chunk["task"] in self.deleting, f"{name} is gone"

    def _credits(self, tasks: dict[str, Document], chunks: dict[str, Document], processes: int) -> None:
        """Two processes that count at the same moment may both hand on what is free; no more than that."""
        out = Counter(chunk["task"] for chunk in chunks.values() if chunk["state"] in OUT)
        for name, count in out.items():
            limit = tasks[name]["max_parallel_workers"] * processes if name in tasks else 0
            assert count <= limit or name in self.deleting, f"{name} has {count} messages out; at most {limit}"

    # --- helps

    @property
    def preparers(self) -> set[str]:
        """Who prepared a task when it was last looked at."""
        return {task["owner"] for task in self.tasks.values() if task["owner"] is not None}

    def text_of(self, chunk: Document) -> str:
        """What must be heard in it."""
        return texts_of(self.recordings[chunk["task"]])[chunk["index"]]

    def _running(self, worker: str) -> list[Document]:
        return list(self.database["chunks"].find({"owner": worker, "state": "running"}))


def _names(where: Any) -> list[str]:
    """The documents that one write, or each of several in one, names."""
    filters = [write._filter for write in where] if isinstance(where, list) else [where]
    return [each["_id"] for each in filters if isinstance(each.get("_id"), str)]


def reachable(status: str) -> set[str]:
    """Every status that a task may have some time after this one."""
    found, new = {TaskStatus(status)}, {TaskStatus(status)}
    while new := {target for source in new for target in TASK_MOVES[source]} - found:
        found |= new
    return {each.value for each in found}
