"""Bytes on a socket: what a server on a port does with clients that lie, stop, hurry or go away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.protocol import PromptProtocol
from api.server import ApiServer
from core.flow.resources import Resources
from tests.integration.api.conftest import LIMIT
from tests.integration.api.wires import MEDIA, Wire, files_below, until_begun, until_empty


@pytest.fixture
async def wire(server: ApiServer) -> AsyncIterator[Wire]:
    """One connection to the server."""
    opened = await Wire.to(server)
    yield opened
    await opened.close()


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


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("NONSENSE", b""),
        ("PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: 3\nContent-Length: 4", b"abc"),
        (f"PUT /api/v1/tasks HTTP/1.1\nHost: x\nContent-Length: {'9' * 30}", b""),
        ("PUT /api/v1/tasks HTTP/1.1\nHost: x\nTransfer-Encoding: chunked", b"ZZ\r\nabc"),
    ],
    ids=["nonsense", "two-lengths", "long-length", "chunk"],
)
async def test_what_is_no_request_gets_an_error_like_every_other(
    wire: Wire, head: str, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the application or in the middle of a body; the id is there for whoever asks what went wrong."""
    await wire.say(head, body)
    answer, _, content = (await wire.rest()).partition(b"\r\n\r\n")
    status, *lines = answer.decode().lower().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert status == "http/1.1 400 bad request"
    assert headers["content-type"] == "application/problem+json"
    assert (headers["x-content-type-options"], headers["connection"]) == ("nosniff", "close")
    assert int(headers["content-length"]) == len(content)
    assert json.loads(content)["code"] == "malformed_request"
    assert headers["x-request-id"] in capsys.readouterr().out


async def test_a_chunk_that_is_none_takes_nothing_from_an_answer_that_has_begun(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no second answer to a request, and no fault of ours to report."""
    await wire.say("PUT /api/v1/tasks?langauge=en HTTP/1.1\nHost: x\nTransfer-Encoding: chunked")
    await wire.more(b"3\r\nabc\r\n")
    begun = await wire.reader.readuntil(b"langauge")
    await wire.more(b"ZZ\r\n")
    assert (begun + await wire.rest()).count(b"HTTP/1.1") == 1
    assert "Fatal error" not in caplog.text


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
