"""What the moves work on; opened once per process by its composition root."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.adapters.blobs import open_blobs
from core.adapters.memory_broker import MemoryBroker
from core.adapters.mongo import ChunkStore, TaskStore, WorkerStore, connect
from core.adapters.mongo.unfenced import UnfencedChunkStore
from core.adapters.rabbitmq import RabbitBroker
from core.config import Settings
from core.errors import InvalidRequestError
from core.ports import BlobStore, Broker


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """Stores, blobs and broker."""

    tasks: TaskStore
    chunks: ChunkStore
    workers: WorkerStore
    blobs: BlobStore
    broker: Broker
    keep_uploads: bool = False


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything that ``settings`` name; closed in reverse order."""
    if settings.mongo_url is None:
        raise InvalidRequestError(
            "MONGO_URL is empty. Set it to your MongoDB, or start `parascribe serve`, which brings a database along.",
            code="invalid_settings",
        )
    async with _broker(settings) as broker, connect(settings.mongo_url, settings.mongo_database) as database:
        yield Resources(
            tasks=TaskStore(database),
            chunks=UnfencedChunkStore(database) if "fence" in settings.test_without else ChunkStore(database),
            workers=WorkerStore(database),
            blobs=await open_blobs(settings),
            broker=broker,
            keep_uploads=settings.keep_uploads,
        )


@asynccontextmanager
async def _broker(settings: Settings) -> AsyncIterator[Broker]:
    """RabbitMQ where there is an address, else queues in this process. One that is away comes when it comes."""
    if settings.rabbitmq_url is None:
        broker: MemoryBroker | RabbitBroker = MemoryBroker()
    else:
        without = frozenset(settings.test_without)
        broker = RabbitBroker(settings.rabbitmq_url, prefix=settings.rabbitmq_prefix, without=without)
        await broker.start()
    try:
        yield broker
    finally:
        await broker.close()
