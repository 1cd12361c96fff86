"""An application whose database is away, its blobs in a real directory: enough for all that happens before a task."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from api.app import create_app
from api.errors import MEDIA_TYPE
from core.adapters.blobs import DirectoryBlobs
from core.adapters.memory_broker import MemoryBroker
from core.config import Settings
from core.errors import StoreUnavailableError
from core.flow.resources import Resources

LIMIT = 100_000  # MAX_UPLOAD_BYTES of these tests


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
def settings(tmp_path: Path) -> Settings:
    """The fake engine takes any model's name, so these tests need no weights."""
    return Settings(_env_file=None, data_dir=tmp_path / "data", engine="fake", max_upload_bytes=LIMIT)


@pytest.fixture
def blob_root(tmp_path: Path) -> Path:
    """Where the blobs lie."""
    return tmp_path / "data" / "blobs"


class Away:
    """A store whose database goes away as soon as it has told that no task waits: every other call fails at once."""

    async def waiting(self, *, limit: int) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        async def refuse(*args: Any, **kwargs: Any) -> Any:
            raise StoreUnavailableError("The database did not answer.")

        return refuse


@pytest.fixture
def offline(blob_root: Path) -> Resources:
    """Resources without a database."""
    away: Any = Away()
    return Resources(tasks=away, chunks=away, workers=away, blobs=DirectoryBlobs(blob_root), broker=MemoryBroker())


@pytest.fixture
def app(settings: Settings, offline: Resources) -> FastAPI:
    """The application."""
    return create_app(settings, offline)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a network between."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


def files_below(root: Path) -> list[Path]:
    """Every file, unfinished ones included."""
    return [path for path in root.rglob("*") if path.is_file()]


def problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The body of an error, after checking that it has the one form of all errors."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, object] = response.json()
    assert set(body) - {"errors", "reference"} == {"type", "title", "status", "detail", "code"}
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:parascribe:problem:{code}")
    return body
