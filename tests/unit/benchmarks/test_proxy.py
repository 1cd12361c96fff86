"""The relay that the chaos benchmark puts before database and broker does what it is told, and only that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.private.proxy import HOST, Proxy, relaying


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every block with itself."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1000):
            writer.write(data)
    writer.transport.abort()


@asynccontextmanager
async def relayed() -> AsyncIterator[Proxy]:
    """A relay before an echo."""
    server = await asyncio.start_server(echo, HOST, 0)
    async with server, relaying(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def ask(proxy: Proxy, data: bytes = b"hello", seconds: float = 2.0) -> bytes:
    """What comes back on a connection of its own."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            return await reader.readexactly(len(data))
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_it_relays():
    """Both ways."""
    async with relayed() as proxy:
        assert await ask(proxy) == b"hello"


async def test_it_refuses_and_opens_again_on_its_port():
    """New connections and those that there are."""
    async with relayed() as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await proxy.refuse()
        with pytest.raises(OSError, match="reset"):
            await reader.readexactly(1)
        writer.transport.abort()
        with pytest.raises(ConnectionRefusedError):
            await ask(proxy)
        await proxy.open()
        assert await ask(proxy) == b"hello"


async def test_what_is_frozen_arrives_afterwards():
    """Nothing is lost."""
    async with relayed() as proxy:
        with proxy.frozen():
            waiting = asyncio.create_task(ask(proxy, seconds=10.0))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert await waiting == b"hello"


async def test_what_is_swallowed_never_arrives():
    """The sender sees nothing of it until its connection is reset."""
    async with relayed() as proxy:
        with proxy.swallowing():
            waiting = asyncio.create_task(ask(proxy))
            await asyncio.sleep(0.1)
            assert not waiting.done()
        with pytest.raises(OSError, match="reset"):
            await waiting
        assert await ask(proxy) == b"hello"


async def test_an_answer_is_lost_after_its_request_arrived():
    """And counted; other requests are answered."""
    async with relayed() as proxy:
        proxy.loses = lambda request: request.startswith(b"lose")
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await ask(proxy, b"lose this")
        assert proxy.cuts == 1
        assert await ask(proxy) == b"hello"


async def test_it_breaks_off_after_so_many_bytes():
    """Of the next connection, once."""
    async with relayed() as proxy:
        proxy.cut_after(3)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await ask(proxy)
        assert await ask(proxy) == b"hello"
