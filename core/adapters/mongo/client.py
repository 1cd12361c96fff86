"""One client per process, explicit durability, one deadline per operation, driver errors translated once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pymongo
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, ConfigurationError, DuplicateKeyError, InvalidURI, PyMongoError

from core.errors import InvalidRequestError, StoreUnavailableError

Document = dict[str, Any]
Collection = AsyncCollection[Document]
Database = AsyncDatabase[Document]

OPERATION_SECONDS = 10.0  # a poll must not hang on a frozen database
INDEXES: dict[str, list[tuple[str, list[tuple[str, int]]]]] = {
    "tasks": [
        ("by_age", [("created_at", -1), ("_id", -1)]),
        ("by_status_and_age", [("status", 1), ("created_at", -1), ("_id", -1)]),
        ("by_upkeep", [("open", 1)]),
        ("by_end", [("finished_at", 1)]),
    ],
    "chunks": [
        ("by_task_and_state", [("task", 1), ("state", 1)]),
        ("by_owner", [("owner", 1)]),
    ],
}


@asynccontextmanager
async def connect(url: str, database: str) -> AsyncIterator[Database]:
    """A database handle with its indexes made. Raises ``StoreUnavailableError``; ``InvalidRequestError`` for a bad URL.

    ``w=majority`` and ``journal`` are written out: an acknowledged write must survive a crash of the server.
    """
    try:
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            url,
            w="majority",
            journal=True,
            wTimeoutMS=10_000,
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            retryWrites=True,
            appname="parascribe",
        )
    except (InvalidURI, ConfigurationError) as error:
        raise InvalidRequestError(f"MONGO_URL is not a MongoDB address: {error}", code="invalid_settings") from error
    try:
        handle = client.get_database(database, codec_options=CodecOptions(tz_aware=True))
        await _make_indexes(handle)
        yield handle
    finally:
        await client.close()


async def _make_indexes(database: Database) -> None:
    with guarded():
        for collection, indexes in INDEXES.items():
            for name, keys in indexes:
                await database[collection].create_index(keys, name=name)


@contextmanager
def guarded(seconds: float = OPERATION_SECONDS) -> Iterator[None]:
    """Put a deadline on the operations inside and translate what the driver raises."""
    try:
        with pymongo.timeout(seconds):
            yield
    except (DuplicateKeyError, BulkWriteError):
        raise  # the caller knows what these mean
    except PyMongoError as error:
        raise StoreUnavailableError(f"The database did not answer: {error}. It is tried again.") from error
