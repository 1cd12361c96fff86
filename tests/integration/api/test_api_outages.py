"""A database that is killed or frozen under the API, and comes back."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.server import ApiServer
from core.config import Settings
from core.flow.resources import open_resources
from tests.integration.api.conftest import serving
from tests.support.secantus import Secantus

# pymongo leaves a socket unclosed when it is closed while it connects.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

AT_ONCE_SECONDS = 1.5  # half of what a request waits that nobody refuses; the machine may be busy with other things
UNDER_WAY_SECONDS = 6.0  # a question waits 3 s here, 10 s elsewhere
KNOWN_SECONDS = 15.0
BACK_SECONDS = 10.0  # the start of the database included

Break = Callable[[Secantus], None]
BREAKS = pytest.mark.parametrize(
    ("away", "back"),
    [
        pytest.param(Secantus.kill, Secantus.start, id="killed"),
        pytest.param(Secantus.freeze, Secantus.thaw, id="frozen"),
    ],
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What is left unclosed is found within its test, after its loop has ended."""
    yield
    gc.collect()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Secantus]:
    """A database of this test's own."""
    with Secantus(tmp_path / "own") as started:
        yield started


@pytest.fixture
async def http(settings: Settings, database: Secantus) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that works on it."""
    settings = settings.model_copy(update={"mongo_url": database.url})
    async with open_resources(settings) as resources:
        server = ApiServer(create_app(settings, resources), settings)
        async for started in serving(server):
            async with httpx.AsyncClient(base_url=started.url, timeout=30) as client:
                yield client


async def until(http: httpx.AsyncClient, path: str, status: int, seconds: float) -> httpx.Response:
    """Ask until the answer has this status; the deadline is the promise."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await http.get(path)
            if answer.status_code == status:
                return answer


async def until_known(http: httpx.AsyncClient) -> None:
    """Ask until a refusal comes without a wait: from then on all do."""
    async with asyncio.timeout(KNOWN_SECONDS):
        while True:
            began = time.monotonic()
            answer = await http.get("/api/v1/tasks")
            if answer.status_code == 503 and time.monotonic() - began < AT_ONCE_SECONDS:
                return


@BREAKS
async def test_requests_are_refused_at_once_while_the_database_is_away(
    http: httpx.AsyncClient, database: Secantus, away: Break, back: Break
) -> None:
    """503 with Retry-After for every route that needs it, and service again soon after it is back, by itself."""
    assert (await http.get("/api/v1/tasks")).status_code == 200
    away(database)
    await until_known(http)
    began = time.monotonic()
    task = "/api/v1/tasks/7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11"
    asked = [
        http.get("/api/v1/tasks"),
        *(http.get(f"{task}{rest}") for rest in ("", "/status", "/chunks", "/transcript")),
        *(http.post(f"{task}/{act}") for act in ("cancel", "retry")),
        http.delete(task),
        http.put("/api/v1/tasks", content=b"RIFF\x00\x00\x00\x00WAVE" * 100),
        http.post("/api/v1/tasks/upload", files={"file": b"RIFF\x00\x00\x00\x00WAVE"}),
    ]
    for answer in await asyncio.gather(*asked):
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.text
    assert time.monotonic() - began < AT_ONCE_SECONDS
    assert (await http.get("/livez")).status_code == 200
    checks = (await http.get("/readyz")).json()["checks"]
    assert {name for name, found in checks.items() if found == "ok"} == {"broker", "storage"}
    back(database)
    await until(http, "/api/v1/tasks", 200, BACK_SECONDS)
    await until(http, "/readyz", 200, BACK_SECONDS)


@BREAKS
async def test_what_is_under_way_when_the_database_goes_ends_soon(
    http: httpx.AsyncClient, database: Secantus, away: Break, back: Break
) -> None:
    """Reads and an upload that nobody has refused in time, since nobody knew."""
    away(database)
    began = time.monotonic()
    asked = [http.get("/api/v1/tasks"), http.put("/api/v1/tasks", content=b"RIFF\x00\x00\x00\x00WAVE" * 100)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {503}
    assert time.monotonic() - began < UNDER_WAY_SECONDS
    assert (await until(http, "/readyz", 503, 10)).json()["checks"]["database"] != "ok"


async def test_a_refused_upload_is_not_read(http: httpx.AsyncClient, database: Secantus) -> None:
    """The answer is there although not one byte of the body was sent."""
    database.kill()
    await until_known(http)
    reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
    writer.write(b"PUT /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    async with asyncio.timeout(AT_ONCE_SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
    writer.close()
