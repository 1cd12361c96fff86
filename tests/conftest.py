"""Fixtures for every layer. The store is never faked: it runs on the embedded database, which starts in a second."""

import signal
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from core.config import Settings
from core.flow.resources import Resources, open_resources
from tests.support.secantus import running_database
from tests.support.time_limit import limited

LIMIT_SECONDS = 600.0  # several times the longest test that is not marked slow


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With its fixtures' beginning and end."""
    if item.get_closest_marker("slow"):
        return (yield)
    with limited(LIMIT_SECONDS):
        return (yield)


def pytest_configure() -> None:
    """A run in the background of a script ignores Ctrl-C, and so would every process that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One database server for the whole run."""
    with running_database(tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings with a fresh database name and fresh directories."""
    return Settings(
        _env_file=None,
        mongo_url=database_url,
        mongo_database=f"test_{uuid.uuid4().hex}",
        data_dir=tmp_path / "data",
        engine="fake",
        heartbeat_seconds=0.2,
        dead_after_seconds=0.8,
        sweep_seconds=0.2,
        retry_delay_seconds=0.05,
    )


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Stores, blobs and broker on that fresh database."""
    async with open_resources(settings) as opened:
        yield opened
