"""The API on a real database: without a network between, and as a server on a port."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from api.app import create_app
from api.bodies import Patience
from api.server import ApiServer
from core.config import Settings
from core.flow.resources import Resources

LIMIT = 4_000_000  # MAX_UPLOAD_BYTES of these tests
PATIENCE = Patience(seconds=0.3, linger_seconds=1.0)


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Plain lines: the default draws every frame of a traceback, which takes seconds."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A small limit, and any free port."""
    return settings.model_copy(update={"max_upload_bytes": LIMIT, "api_port": 0})


@pytest.fixture
async def client(settings: Settings, resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a network between."""
    transport = httpx.ASGITransport(app=create_app(settings, resources))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


@pytest.fixture
async def server(settings: Settings, resources: Resources) -> AsyncIterator[ApiServer]:
    """The API on a port, with little patience for slow clients."""
    running = ApiServer(create_app(settings, resources, patience=PATIENCE), settings)
    async for started in serving(running):
        yield started


async def serving(server: ApiServer) -> AsyncIterator[ApiServer]:
    """The server while it runs. No task group: fixtures begin and end in different tasks."""
    running = asyncio.create_task(server.run())
    await server.listening.wait()
    yield server
    server.stop(at_once=True)
    await asyncio.wait_for(running, 20)


@pytest.fixture
def blob_root(settings: Settings) -> Path:
    """Where the blobs lie."""
    return settings.data_dir / "blobs"
