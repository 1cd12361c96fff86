"""One client per process, explicit durability, one deadline per operation, driver errors translated once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pymongo
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from core.adapters.mongo import driver  # noqa: F401  repairs it
from core.adapters.mongo.indexes import make_indexes
from core.adapters.mongo.refusals import brief, is_torn, lasting, url_refusal
from core.errors import StoreUnavailableError

Document = dict[str, Any]
Collection = AsyncCollection[Document]
Database = AsyncDatabase[Document]

OPERATION_SECONDS = 10.0  # nothing must hang on a frozen database
DUPLICATE = 11000  # the server's code for a key that is there already
CLOSE_SECONDS = 1.0  # for its good-bye to the server, who may be away
CLOSED_SECONDS = 5.0  # for all of the closing: a process that was told to end must end
_patience: ContextVar[float] = ContextVar("patience", default=OPERATION_SECONDS)


@asynccontextmanager
async def connect(url: str, database: str) -> AsyncIterator[Database]:
    """A database handle with its indexes made. Credentials and TLS are in the URL.

    Raises ``StoreUnavailableError`` where nobody answers; ``InvalidRequestError`` (``invalid_settings``) where the URL,
    the credentials or an index cannot work. ``w=majority`` and ``journal`` are written out, and stronger than what the
    URL says: an acknowledged write must survive a crash of the server.
    """
    if is_torn(url):
        raise url_refusal(url)
    try:
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            url,
            w="majority",
            journal=True,
            wTimeoutMS=10_000,
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            retryWrites=True,
            retryReads=True,
            appname="parascribe",
        )
    except (PyMongoError, OSError, ValueError) as error:
        raise url_refusal(url, error) from None  # the driver's text may hold the password
    try:
        handle = client.get_database(database, codec_options=CodecOptions(tz_aware=True))
        await _prepare(handle)
        yield handle
    finally:
        with suppress(TimeoutError), pymongo.timeout(CLOSE_SECONDS):
            await asyncio.wait_for(client.close(), CLOSED_SECONDS)


async def _prepare(database: Database) -> None:
    """Only here is a refusal taken for lasting: later on it may come from a server that is just being set up."""
    try:
        with guarded():
            await make_indexes(database)
    except StoreUnavailableError as error:
        raise lasting(error.__cause__) or error from error.__cause__


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """No operation inside waits longer than this; for those whom somebody waits for."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


@contextmanager
def guarded() -> Iterator[None]:
    """Put a deadline on the operations inside and translate what the driver raises."""
    try:
        with pymongo.timeout(_patience.get()):
            yield
    except DuplicateKeyError:
        raise  # the caller knows what this means
    except PyMongoError as error:
        if _duplicates(error):
            raise
        raise StoreUnavailableError(f"The database did not answer: {brief(error)}. It is tried again.") from error


def _duplicates(error: PyMongoError) -> bool:
    """Whether documents of a bulk write were there already, and nothing else is wrong: that the others are on too few
    servers is told in the same error."""
    if not isinstance(error, BulkWriteError) or error.details.get("writeConcernErrors"):
        return False
    problems = error.details.get("writeErrors", [])
    return bool(problems) and all(problem["code"] == DUPLICATE for problem in problems)
