"""APIs and workers as processes, each worker as if on a machine of its own, on one ground."""

import asyncio
import fcntl
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from pymongo import AsyncMongoClient

from benchmarks.private.client import Client, calling
from benchmarks.private.ground import Ground
from benchmarks.private.journal import Journal
from benchmarks.private.processes import Child, environment
from benchmarks.private.queues import Queues
from benchmarks.private.small_disk import SmallDisk, small_disk
from cli.ports import free_port
from cli.processes import Program
from core.adapters.rabbitmq.topology import Topology
from tests.support.live import ROOT

API, WORKER = ROOT / "cmd/api/main.py", ROOT / "cmd/consumer/main.py"
START_SECONDS = 90.0
Database = Any  # of the driver: documents are read as they lie


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How many of each, and with which settings (names in small letters)."""

    workers: int = 2
    apis: int = 1
    settings: Mapping[str, object] = field(default_factory=dict)
    worker_settings: Mapping[str, object] = field(default_factory=dict)
    engine: Mapping[str, object] = field(default_factory=dict)  # see core/engines/fake_spec.py
    disk_megabytes: int = 0  # of the disk that blobs lie on; 0: whatever there is


@dataclass(kw_only=True, slots=True)
class Fleet:
    """What runs, and how to ask and to break it."""

    ground: Ground
    shape: Shape
    folder: Path
    name: str  # of the database, and what the queues begin with
    client: Client
    store: Database  # past the relay
    journal: Journal
    disk: SmallDisk | None = None
    apis: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)

    @property
    def blobs(self) -> Path:
        """Where uploads and audio lie, as we see it."""
        return self.disk.folder if self.disk else self.folder / "blobs"

    def settings(self, **changes: object) -> dict[str, object]:
        """Of every process."""
        return {
            "engine": "fake",
            "mongo_url": self.ground.database_url,
            "mongo_database": self.name,
            "rabbitmq_url": self.ground.broker_url,
            "rabbitmq_prefix": self.name,
            "storage_url": (self.folder / "blobs").as_uri(),
            "data_dir": self.folder / "data",
            **self.shape.settings,
            **changes,
        }

    def engine(self, **changes: object) -> str:
        """What the fake engine is told."""
        return json.dumps({"journal": str(self.journal.path), **self.shape.engine, **changes})

    async def add_worker(
        self,
        name: str,
        *,
        engine: str | None = None,
        extra: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        **changes: object,
    ) -> Child:
        """One more worker, with scratch space of its own: to the others it is on another machine.

        ``extra``: further environment; ``prefix``: what its command begins with.
        """
        settings = {**self.shape.worker_settings, "fake_engine": engine or self.engine()}
        child = self._child(name, WORKER, {**settings, "temp_dir": self.folder / name, **changes}, extra or {}, prefix)
        self.workers.append(child)
        await child.start()
        return child

    async def replace_worker(self, child: Child, *, engine: str, prefix: Sequence[str] = ()) -> Child:
        """End one and start another under its name."""
        await self.dismiss(child)
        return await self.add_worker(child.name, engine=engine, prefix=prefix)

    async def dismiss(self, child: Child) -> None:
        """kill -9, for good: its machine is gone."""
        self.workers.remove(child)
        await child.end()

    def identity(self, child: Child) -> str | None:
        """The id under which a worker is listed and owns, as its locked run file has it; None while it starts."""
        folder = self.folder / child.name / "workers"
        return next((path.stem for path in folder.glob("*.run") if _is_locked(path)), None)

    async def add_api(self, name: str, port: int) -> Child:
        """One more API, on a port that it keeps."""
        child = self._child(name, API, {"api_port": port}, {})
        self.apis.append(child)
        await child.start()
        return child

    @property
    def queues(self) -> Queues:
        """As an operator sees them."""
        return Queues(url=self.ground.rabbit.url, topology=Topology(prefix=self.name))

    async def ready(self, workers: int | None = None, seconds: float = START_SECONDS) -> None:
        """Every API takes requests and so many workers are on the list."""
        deadline = time.monotonic() + seconds
        wanted = len(self.workers) if workers is None else workers
        while not (await self.answering() and len(await self.listed()) >= wanted):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the fleet was not ready within {seconds} s\n{self.tails()}")
            await asyncio.sleep(0.05)

    async def answering(self) -> bool:
        """Whether every API says that it is ready."""
        return all([await self._is_ready(base) for base in self.client.bases])

    async def listed(self) -> list[str]:
        """The workers on the list, by id."""
        return [str(one["_id"]) async for one in self.store["workers"].find({}, {"_id": 1})]

    def tails(self) -> str:
        """The last that each process printed."""
        return "\n".join(f"--- {child.name}\n{child.printed()[-1500:]}" for child in (*self.apis, *self.workers))

    async def close(self) -> None:
        """End everything that still runs, at once."""
        await asyncio.gather(*(child.end() for child in (*self.apis, *self.workers)))

    def _child(
        self,
        name: str,
        script: Path,
        settings: Mapping[str, object],
        extra: Mapping[str, str],
        prefix: Sequence[str] = (),
    ) -> Child:
        program = Program(
            name=name,
            command=(*(self.disk.prefix if self.disk else ()), *prefix, sys.executable, "-P", str(script)),
            environment=environment(self.settings(**settings), **extra),
        )
        return Child(program=program, log=self.folder / f"{name}.log", cwd=self.folder)

    async def _is_ready(self, base: str) -> bool:
        try:
            return (await self.client.http.get(base + "/readyz", timeout=5)).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def running_fleet(ground: Ground, shape: Shape, name: str = "fleet") -> AsyncIterator[Fleet]:
    """A fleet that takes work; whatever still runs at the end is killed."""
    folder = ground.folder / f"{name}-{uuid4().hex[:6]}"
    (folder / "blobs").mkdir(parents=True)
    ports = [free_port() for _ in range(shape.apis)]
    async with AsyncExitStack() as stack:
        mongo = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](ground.database.url))
        client = await stack.enter_async_context(calling([f"http://127.0.0.1:{port}" for port in ports]))
        disk = stack.enter_context(small_disk(folder / "blobs", shape.disk_megabytes)) if shape.disk_megabytes else None
        fleet = Fleet(
            ground=ground,
            shape=shape,
            folder=folder,
            name=folder.name,
            client=client,
            store=mongo[folder.name],
            journal=Journal(folder / "journal"),
            disk=disk,
        )
        stack.push_async_callback(fleet.close)
        for number, port in enumerate(ports):
            await fleet.add_api(f"api-{number}", port)
        for number in range(shape.workers):
            await fleet.add_worker(f"worker-{number}")
        await fleet.ready()
        yield fleet


def _is_locked(path: Path) -> bool:
    """Whether the process that wrote it lives."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
