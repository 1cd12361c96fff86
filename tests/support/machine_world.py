"""The world that the machine breaks: processes with the product's own code, on one database, one broker, one store."""

import contextlib
import faulthandler
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.adapters.mongo import ChunkStore, TaskStore, WorkerStore
from core.adapters.mongo.unfenced import UnfencedChunkStore
from core.config import Settings
from core.engines.registry import EngineRegistry
from core.errors import ParascribeError, TransientError
from core.flow import removal
from core.flow.acceptance import accept
from core.flow.credits import Credits
from core.flow.resources import Resources
from core.models import CutPlan, Options, Task, Upload
from core.states import TaskStatus
from tests.support.machine_ledger import Ledger
from tests.support.machine_loop import SteppedLoop, begin, kill
from tests.support.machine_post import Blob, Post, WiredBlobs, WiredBroker
from tests.support.machine_sound import ReadyDecoders, SteppedEngine
from tests.support.machine_wire import Away, Wire, WiredDatabase
from worker.context import Context, run_folder
from worker.runfiles import RunFile
from worker.runtime import Worker

ORPHAN_SECONDS = 40.0
MACHINES = 2  # a worker on the same machine knows at once that another has died; on another, by its silence


@dataclass(kw_only=True)
class Process:
    """An API, or a worker with its engine."""

    wire: Wire
    resources: Resources
    credit: Credits
    context: Context | None = None
    worker: Worker | None = None
    engine: SteppedEngine | None = None
    run: Any = None
    stopping: bool = False

    @property
    def name(self) -> str:
        """Its id."""
        return self.wire.name


class World:
    """Everything, and what may be done to it. ``database``: of the driver's synchronous form."""

    def __init__(self, loop: SteppedLoop, database: Any, folder: Path, without: tuple[str, ...] = ()) -> None:
        self.loop, self.folder, self.without = loop, folder, without
        self.away, self.post = Away(), Post(loop)
        self.blobs: dict[str, Blob] = {}
        self.settings = self._settings(0)
        self.ledger = Ledger(database, lambda: loop.now, self.settings)
        self.database = database
        self.workers: dict[str, Process] = {}
        self.asked: list[str] = []  # every task that was ever sent
        self._started = 0
        self.api = self._process("api-0")

    # --- processes

    async def start(self) -> None:
        """One more worker."""
        self._started += 1
        process = self._process(f"w{self._started}")
        settings = self._settings(self._started % MACHINES)
        process.engine = SteppedEngine(process.name, self.ledger.failed)
        process.context = Context(
            settings=settings,
            resources=process.resources,
            credit=process.credit,
            engines=EngineRegistry(settings, build=lambda _settings, _model: process.engine),
            worker_id=process.name,
            run_file=RunFile(run_folder(settings), process.name),
            clock=self.loop.time,
            decoders=ReadyDecoders(process.wire),
        )
        self.workers[process.name] = process
        process.run = begin(self.loop, process.name, _working(process))

    async def kill(self, process: Process, *, crashed: bool) -> None:
        """It is gone from one moment to the next; ``crashed``: over its work, which its run file tells."""
        process.wire.dead = True
        process.wire.open.set()
        await kill(process.name)
        self.post.disconnect(process.wire)
        if process.context is None:
            self.api = self._process(f"api-{self._started}-{len(self.asked)}")
            return
        self.ledger.died(process.name, crashed=crashed)
        if crashed:
            process.context.run_file.blame("crashed\n")
        faulthandler.disable()
        process.context.run_file._file.close()
        self.workers.pop(process.name, None)

    async def bury(self) -> None:
        """Whoever was killed in the middle of an operation, or has left, is no process any more."""
        for process in [*self.workers.values(), self.api]:
            ended = process.run is not None and process.run.done() and not process.wire.dead
            if process.wire.dead or (ended and isinstance(process.run.exception(), TransientError)):
                await self.kill(process, crashed=False)  # one that cannot reach what it needs ends, to be started again
            elif ended:
                await self._left(process)

    async def _left(self, process: Process) -> None:
        process.run.result()
        process.wire.dead = True
        await kill(process.name)
        process.context.run_file.close()
        self.post.disconnect(process.wire)
        self.ledger.left(process.name)
        del self.workers[process.name]

    def finish(self, place: int, *, fails: bool) -> None:
        """An engine's call ends, if there is one in a process that is not paused."""
        calls = [call for call in self.loop.waiting if not self.workers[call.owner].wire.paused]
        if calls:
            call = calls[place % len(calls)]
            engine = self.workers[call.owner].engine
            engine.fails = fails
            self.loop.again(call)
            engine.fails = None

    # --- clients

    def send(self, recording: str, language: str | None, limit: int) -> None:
        """Upload and submit, as the API does it."""
        task_id = f"task-{len(self.asked):03d}"
        self.asked.append(task_id)
        self.ask(self._send(self.api, task_id, recording, language, limit))

    async def _send(self, api: Process, task_id: str, recording: str, language: str | None, limit: int) -> None:
        key, began = f"uploads/{task_id}", self.loop.now
        self.ledger.recordings[task_id] = recording
        await api.resources.blobs.put(key, recording.encode())
        task = Task(
            id=task_id,
            status=TaskStatus.QUEUED,
            filename="clip.wav",
            options=Options(model="base", language=language),
            word_timestamps=False,
            max_parallel_workers=limit,
            plan=CutPlan(),
            upload=Upload(key=key, size_bytes=1, sha256=""),
            created_at=datetime.now(UTC),
        )
        await accept(api.resources, task, late=lambda: self.loop.now - began >= ORPHAN_SECONDS)
        self.ledger.accepted.add(task_id)

    async def cancel(self, task_id: str) -> None:
        """Stop it, and remember if the answer came."""
        await removal.cancel(self.api.resources, task_id)

    async def retry(self, task_id: str) -> None:
        """Try again what failed."""
        await removal.retry(self.api.resources, self.api.credit, task_id)

    async def delete(self, task_id: str) -> None:
        """Remove it."""
        self.ledger.deleting.add(task_id)
        await removal.delete(self.api.resources, task_id)

    def ask(self, request: Any) -> None:
        """A request to the API: a refusal, for whatever reason, is an answer too."""

        async def asking() -> None:
            with contextlib.suppress(ParascribeError):
                await request

        begin(self.loop, self.api.name, asking())

    # --- wiring

    def _process(self, name: str) -> Process:
        wire = Wire(name=name, away=self.away)
        database = WiredDatabase(self.database_of(), wire, lambda: self.loop.now, self.ledger.watch)
        chunks = UnfencedChunkStore if "fence" in self.without else ChunkStore
        resources = Resources(
            tasks=TaskStore(database),
            chunks=chunks(database),
            workers=WorkerStore(database),
            blobs=WiredBlobs(self.blobs, wire),
            broker=WiredBroker(self.post, wire),
        )
        return Process(wire=wire, resources=resources, credit=Credits(resources, clock=self.loop.time))

    def database_of(self) -> Any:
        """The real one."""
        return self.ledger.database

    def _settings(self, machine: int) -> Settings:
        return Settings(
            _env_file=None,
            data_dir=self.folder / f"machine-{machine}",
            max_parallel_workers=2,
            batch_size=2,
            engine="fake",
            orphan_seconds=ORPHAN_SECONDS,
            batch_deadline_seconds=250.0,
            test_without=self.without,
        )


async def _working(process: Process) -> None:
    process.worker = Worker(process.context)
    await process.worker.run()
