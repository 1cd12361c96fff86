"""The driver under cancellation while nobody answers: it must go on working, and close."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from pymongo import AsyncMongoClient

from core.adapters.mongo import client as adapter
from core.adapters.mongo import connect
from core.adapters.mongo.client import Database, guarded, patience
from core.errors import StoreUnavailableError
from tests.support.secantus import free_port

# pymongo leaves a socket unclosed when it is closed while it connects.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

WAITING_SECONDS = 0.7  # until questions wait for a server, and not for a first attempt to connect


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What is left unclosed is found within its test."""
    yield
    gc.collect()


@pytest.fixture
async def database(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A handle to a database that is away: it is opened as if its indexes had been made before that."""

    async def made(_: Database) -> None:
        pass

    monkeypatch.setattr(adapter, "_prepare", made)
    async with connect(f"mongodb://127.0.0.1:{free_port()}/?directConnection=true", "x") as handle:
        yield handle


async def ask(database: Database, seconds: float = 10) -> None:
    """One question with its deadline."""
    with patience(seconds), guarded():
        await database.command("ping")


@pytest.mark.parametrize("ticks", range(4))
async def test_questions_that_are_cancelled_twice_leave_the_driver_working(database: Database, ticks: int) -> None:
    """Whatever lies between the two: the next question ends at its deadline, and so does closing."""
    asking = [asyncio.create_task(ask(database)) for _ in range(3)]
    await asyncio.sleep(WAITING_SECONDS)
    for _ in range(2):
        for task in asking:
            task.cancel()
        for _ in range(ticks):
            await asyncio.sleep(0)
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in ended] == [asyncio.CancelledError] * 3
    with pytest.raises(StoreUnavailableError):
        await asyncio.wait_for(ask(database, 0.5), 3)


async def test_closing_ends_though_the_driver_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was told to end does."""

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    async def made(_: Database) -> None:
        pass

    monkeypatch.setattr(adapter, "_prepare", made)
    monkeypatch.setattr(adapter, "CLOSED_SECONDS", 0.2)
    monkeypatch.setattr(AsyncMongoClient, "close", never)
    async with asyncio.timeout(5), connect(f"mongodb://127.0.0.1:{free_port()}", "x"):
        pass
