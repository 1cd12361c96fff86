"""Bytes on a socket: what a server on a port does with clients that lie, stop, hurry or go away."""

import asyncio
import contextlib
import dataclasses
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.protocol import PromptProtocol
from api.server import ApiServer, bind
from core.config import Settings
from core.errors import InvalidRequestError, StoreUnavailableError
from core.flow.resources import Resources
from core.models import Chunk
from tests.integration.api import tasks
from tests.integration.api.conftest import LIMIT, serving

MEDIA = b"RIFF\x00\x00\x00\x00WAVE"
DEADLINE = 20


class Wire:
    """One connection, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, server: ApiServer) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def say(self, head: str, body: bytes = b"") -> None:
        self.writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        await self.writer.drain()

    async def more(self, body: bytes) -> None:
        self.writer.write(body)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()


@pytest.fixture
async def wire(server: ApiServer) -> AsyncIterator[Wire]:
    """One connection to the server."""
    opened = await Wire.to(server)
    yield opened
    await opened.close()


def files_below(root: Path) -> list[Path]:
    """Every file, unfinished ones included."""
    return [path for path in root.rglob("*") if path.is_file()]


async def until_empty(server: ApiServer, root: Path) -> None:
    """Wait until no file is left, with the server at work in between."""
    async with asyncio.timeout(DEADLINE), httpx.AsyncClient(base_url=server.url) as client:
        while files_below(root):
            await client.get("/livez")


async def until_begun(server: ApiServer, root: Path) -> None:
    """Wait until an unfinished blob is on the disk."""
    async with asyncio.timeout(DEADLINE), httpx.AsyncClient(base_url=server.url) as client:
        while not files_below(root):
            await client.get("/livez")


async def test_too_much_by_its_own_word_is_refused_before_it_comes(wire: Wire, blob_root: Path) -> None:
    """413 although not one byte of the body was sent, and the connection ends."""
    await wire.say(f"PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: {LIMIT + 1}")
    answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    assert files_below(blob_root) == []


async def test_a_client_that_asks_first_is_told_before_it_sends(wire: Wire) -> None:
    """`Expect: 100-continue`, as curl has it for large files: the refusal comes instead of the go-ahead."""
    await wire.say(f"PUT /api/v1/tasks HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: {LIMIT + 1}")
    assert (await wire.rest()).startswith(b"HTTP/1.1 413")


async def test_a_client_that_is_still_sending_can_read_its_refusal(wire: Wire) -> None:
    """The connection is not reset under its hands: it gets the whole answer while its bytes are thrown away."""
    await wire.say("PUT /api/v1/tasks?langauge=en HTTP/1.1\nHost: x\nTransfer-Encoding: chunked")
    for _ in range(20):
        await wire.more(b"10000\r\n" + bytes(65_536) + b"\r\n")
    await wire.more(b"0\r\n\r\n")
    answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 422")
    assert b"langauge" in answer


async def test_a_chunked_body_is_stopped_at_the_limit(wire: Wire, blob_root: Path) -> None:
    """No Content-Length to go by: the counting refuses, and the disk never held more than the limit."""
    await wire.say("POST /api/v1/tasks HTTP/1.1\nHost: x\nTransfer-Encoding: chunked", b"c\r\n" + MEDIA + b"\r\n")
    for _ in range(LIMIT // 65_536 + 1):
        await wire.more(b"10000\r\n" + bytes(65_536) + b"\r\n")
        assert sum(path.stat().st_size for path in files_below(blob_root)) <= LIMIT
    assert (await wire.rest()).startswith(b"HTTP/1.1 413")
    assert files_below(blob_root) == []


async def test_fewer_bytes_than_announced_are_no_upload(
    server: ApiServer, wire: Wire, blob_root: Path, resources: Resources
) -> None:
    """The client goes away in the middle: no task, no file."""
    await wire.say("PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: 2000000", MEDIA + bytes(1_000_000))
    await until_begun(server, blob_root)
    await wire.close()
    await until_empty(server, blob_root)
    assert await resources.tasks.newest() == []


async def test_a_form_that_is_shorter_than_announced_is_no_upload(
    server: ApiServer, wire: Wire, blob_root: Path, resources: Resources
) -> None:
    """Cut off within the file."""
    head = "POST /api/v1/tasks/upload HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=B\n"
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + MEDIA + bytes(600_000)
    await wire.say(head + "Content-Length: 2000000", part)
    await until_begun(server, blob_root)
    await wire.close()
    await until_empty(server, blob_root)
    assert await resources.tasks.newest() == []


async def test_a_form_whose_length_lies_short_is_broken(wire: Wire, blob_root: Path) -> None:
    """The form is cut where the length says, so its end is missing."""
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + MEDIA + b"\r\n--B--\r\n"
    head = "POST /api/v1/tasks/upload HTTP/1.1\nHost: x\nConnection: close\n"
    head += "Content-Type: multipart/form-data; boundary=B\n"
    await wire.say(head + f"Content-Length: {len(part) - 9}", part)
    answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"invalid_multipart" in answer
    assert files_below(blob_root) == []


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 40 + "x", "5, 6"])
async def test_a_length_that_is_no_number_is_refused(wire: Wire, length: str) -> None:
    """By the protocol, before the application sees it."""
    await wire.say(f"PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: {length}")
    assert (await wire.rest()).startswith(b"HTTP/1.1 400")


async def test_a_length_of_forty_digits_is_too_large(wire: Wire) -> None:
    """It is a number after all."""
    await wire.say(f"PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: {'9' * 19}")
    assert (await wire.rest()).startswith(b"HTTP/1.1 413")


async def test_a_body_that_stops_coming_is_not_waited_for(wire: Wire, blob_root: Path) -> None:
    """408, the connection ends, nothing is left."""
    await wire.say("PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: 2000000", MEDIA + bytes(1_000_000))
    answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"upload_too_slow" in answer
    assert files_below(blob_root) == []


async def test_a_head_that_never_ends_is_not_waited_for(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a connection that says nothing nor one that says half a head stays open."""
    monkeypatch.setattr(PromptProtocol, "header_seconds", 0.2)
    for words in (b"", b"GET /livez HT"):
        wire = await Wire.to(server)
        await wire.more(words)
        assert await wire.rest() == b""
        await wire.close()


async def test_a_head_has_an_end(wire: Wire) -> None:
    """It is refused while it still comes, so the connection may be reset before the answer is read."""
    with contextlib.suppress(ConnectionError):
        await wire.say("GET /livez HTTP/1.1\nHost: x\nX-Long: " + "x" * 2_000_000)
        assert (await wire.rest()).startswith(b"HTTP/1.1 400")


async def test_a_long_prompt_fits_into_the_query(server: ApiServer) -> None:
    """4,000 characters of three bytes, nine in the address, however the network cuts them."""
    wire = await Wire.to(server)
    query = "%E8%AA%9E" * 4_000
    await wire.more(b"PUT /api/v1/tasks?prompt=" + query[:30_000].encode())
    async with httpx.AsyncClient(base_url=server.url) as client:
        for _ in range(3):
            await client.get("/livez")  # by then the server has read what has come
    await wire.say(f"{query[30_000:]} HTTP/1.1\nHost: x\nConnection: close\nContent-Length: {len(MEDIA)}", MEDIA)
    assert (await wire.rest()).startswith(b"HTTP/1.1 202")
    await wire.close()


async def test_a_connection_serves_many_requests(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline on the head ends with the head: an upload on the same connection may take longer."""
    monkeypatch.setattr(PromptProtocol, "header_seconds", 0.2)
    wire = await Wire.to(server)
    await wire.say("GET /livez HTTP/1.1\nHost: x")
    await wire.reader.readuntil(b'{"status":"ok"}')
    await wire.say("PUT /api/v1/tasks HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 60012", MEDIA)
    for _ in range(6):
        await asyncio.sleep(0.1)  # a slow client, not a synchronisation
        await wire.more(bytes(10_000))
    assert (await wire.rest()).startswith(b"HTTP/1.1 202")
    await wire.close()


async def test_the_server_does_not_say_what_it_is(server: ApiServer) -> None:
    """Nor which version."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert "server" not in (await client.get("/livez")).headers


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
