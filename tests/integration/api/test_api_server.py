"""A server on a port: what becomes of it and of its answers when the database, the disk or its owner goes away."""

import asyncio
import contextlib
import dataclasses
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from api.app import create_app
from api.protocol import PromptProtocol
from api.server import ApiServer, bind
from core.config import Settings
from core.errors import InvalidRequestError, StoreUnavailableError
from core.flow.resources import Resources
from core.models import Chunk
from tests.integration.api import tasks
from tests.integration.api.conftest import serving
from tests.integration.api.wires import DEADLINE, MEDIA, Wire, until_begun
from tests.support.tasks import until


class Breaking:
    """A chunk store whose database goes away after some chunks."""

    def __init__(self, resources: Resources, after: int) -> None:
        self._chunks = resources.chunks
        self._after = after

    async def iterate(self, task_id: str, *, results: bool = True) -> AsyncIterator[Chunk]:
        count = 0
        async for chunk in self._chunks.iterate(task_id, results=results):
            if count == self._after:
                raise StoreUnavailableError("The database did not answer.")
            count += 1
            yield chunk


def test_no_answer_waits_for_the_one_before_to_be_acknowledged() -> None:
    """On a kept connection that would be 40 ms each time."""
    with (
        bind("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
async def breaking(
    settings: Settings, resources: Resources, request: pytest.FixtureRequest
) -> AsyncIterator[ApiServer]:
    """A server whose database goes away after so many chunks."""
    chunks: Any = Breaking(resources, request.param)
    running = ApiServer(create_app(settings, dataclasses.replace(resources, chunks=chunks)), settings)
    async for started in serving(running):
        yield started


@pytest.mark.parametrize("breaking", [200], indirect=True)
async def test_a_database_lost_in_the_middle_cannot_pass_for_the_end(breaking: ApiServer, resources: Resources) -> None:
    """The client sees an incomplete answer, never a short one that looks whole."""
    task = await tasks.cut(resources, 400)
    async with httpx.AsyncClient(base_url=breaking.url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/api/v1/tasks/{task.id}/chunks")
        assert (await client.get("/livez")).status_code == 200


@pytest.mark.parametrize("breaking", [0], indirect=True)
async def test_a_database_lost_at_the_start_is_an_error_with_a_status(
    breaking: ApiServer, resources: Resources
) -> None:
    """Nothing was sent yet, so 503 can be."""
    task = await tasks.cut(resources, 1)
    async with httpx.AsyncClient(base_url=breaking.url) as client:
        for rest in ("chunks", "transcript"):
            assert (await client.get(f"/api/v1/tasks/{task.id}/{rest}")).status_code == 503


async def test_a_full_disk_is_told_and_leaves_nothing(settings: Settings, resources: Resources) -> None:
    """507, from a real file system without room."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    blobs: Any = FullBlobs()
    app = create_app(settings, dataclasses.replace(resources, blobs=blobs))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        response = await client.put("/api/v1/tasks", content=MEDIA + bytes(1_000_000))
    assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert await resources.tasks.newest() == []


@pytest.mark.parametrize("request_line", ["PUT /api/v1/tasks", "POST /api/v1/tasks/upload"])
async def test_what_the_disk_has_no_room_for_is_refused_unread(
    settings: Settings, resources: Resources, request_line: str
) -> None:
    """507 by the Content-Length alone: not one byte of the body was sent."""
    large = settings.model_copy(update={"max_upload_bytes": 10**18})
    async for server in serving(ApiServer(create_app(large, resources), large)):
        wire = await Wire.to(server)
        head = f"{request_line} HTTP/1.1\nHost: x\nContent-Length: {10**17}\n"
        await wire.say(
            head + "Content-Type: " + ("multipart/form-data; boundary=B" if "upload" in request_line else "audio/wav")
        )
        assert (await wire.rest()).startswith(b"HTTP/1.1 507")
        await wire.close()


class FullBlobs:
    """The directory's own unfinished file, on a device that has no room."""

    def writer(self, key: str) -> Any:
        import os

        from core.adapters.blobs.directory import PartFile

        @contextlib.asynccontextmanager
        async def opened() -> AsyncIterator[PartFile]:
            part = PartFile.__new__(PartFile)
            part._file = os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb", buffering=0)
            try:
                yield part
            finally:
                part._file.close()

        return opened()


async def test_a_port_in_use_is_told_with_the_setting_to_change(server: ApiServer) -> None:
    """And so is an address that is none of this machine's."""
    with pytest.raises(InvalidRequestError, match="API_PORT"):
        bind("127.0.0.1", server.port)
    with pytest.raises(InvalidRequestError, match="API_HOST"):
        bind("192.0.2.1", 0)


async def test_the_owner_of_the_process_keeps_its_signals(server: ApiServer) -> None:
    """The server installs no handlers of its own."""
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert json.loads(json.dumps(server.url)).endswith(str(server.port))


async def test_the_date_of_answers_goes_on_and_the_end_waits_for_no_tick(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that keeps both wakes up rarely."""
    ticks, tick = [], uvicorn.Server.on_tick
    monkeypatch.setattr(uvicorn.Server, "on_tick", lambda server, count: ticks.append(count) or tick(server, count))
    monkeypatch.setattr("api.server.TICK_SECONDS", 1.1)
    running = ApiServer(create_app(settings, resources), settings)
    serving = asyncio.create_task(running.run())
    await running.listening.wait()
    async with httpx.AsyncClient(base_url=running.url) as client:
        first = (await client.get("/livez")).headers["date"]
        await until(lambda: client.get("/livez"), lambda answer: answer.headers["date"] != first)
    monkeypatch.setattr("api.server.TICK_SECONDS", 600.0)
    await asyncio.sleep(1.2)  # the next tick is ten minutes away
    ticked = len(ticks)
    await asyncio.sleep(0.3)
    assert len(ticks) == ticked
    running.stop()
    await asyncio.wait_for(serving, DEADLINE)


async def test_stopping_lets_a_request_finish(settings: Settings, resources: Resources) -> None:
    """No new connection, but the upload under way gets its answer."""
    running = ApiServer(create_app(settings, resources), settings)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(running.run())
        await running.listening.wait()
        wire = await Wire.to(running)
        await wire.say("PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: 500012", MEDIA + bytes(300_000))
        await until_begun(running, settings.data_dir / "blobs")
        running.stop()
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    (await Wire.to(running)).writer.close()
                except OSError:
                    break
                await asyncio.sleep(0.02)  # until the listener is closed; the deadline bounds it
        await wire.more(bytes(200_000))
        assert (await wire.rest()).startswith(b"HTTP/1.1 202")
        await wire.close()
        await asyncio.wait_for(serving, DEADLINE)


@pytest.mark.parametrize("turns", range(6))
async def test_who_has_connected_is_heard_by_a_server_that_leaves(
    settings: Settings, resources: Resources, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the connection waits to be accepted, is being made, or is made and has not spoken yet."""
    leave = asyncio.Event()
    monkeypatch.setattr("api.server._Server.main_loop", lambda _: _in_turns(leave, turns))
    running = ApiServer(create_app(settings, resources), settings)
    serving = asyncio.create_task(running.run())
    await running.listening.wait()
    leave.set()
    waiting = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(3)]
    wires = [Wire(*await asyncio.open_connection(sock=connection)) for connection in waiting]
    await asyncio.sleep(0.3)  # slow clients, not a synchronisation
    for wire in wires:
        await wire.say("GET /livez HTTP/1.1\nHost: x")
    answers = [await wire.rest() for wire in wires]
    for wire in wires:
        await wire.close()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 3
    await asyncio.wait_for(serving, DEADLINE)


async def test_a_server_that_leaves_does_not_wait_for_who_says_nothing(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for a head that does not end."""
    monkeypatch.setattr(PromptProtocol, "first_words_seconds", 0.2)
    running = ApiServer(create_app(settings, resources), settings)
    serving = asyncio.create_task(running.run())
    await running.listening.wait()
    silent, halting = await Wire.to(running), await Wire.to(running)
    await halting.more(b"GET /livez HT")
    running.stop()
    for wire in (silent, halting):
        assert await wire.rest() == b""
        await wire.close()
    await asyncio.wait_for(serving, DEADLINE)


async def _in_turns(begin: asyncio.Event, turns: int) -> None:
    await begin.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
