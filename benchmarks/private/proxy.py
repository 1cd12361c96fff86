"""A TCP relay on loopback that can refuse, freeze, swallow, break off, and lose the answer to a request."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cli.ports import free_port

BLOCK = 65_536
HOST = "127.0.0.1"
NO_LINGER = struct.pack("ii", 1, 0)  # closing resets the connection, see socket(7)

Loses = Callable[[bytes], bool]  # of a request's first bytes: whether its answer is to be lost


def nothing(_request: bytes) -> bool:
    """No answer is lost."""
    return False


@dataclass(eq=False, kw_only=True, slots=True)
class _Pair:
    """One connection through the relay."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    request: bytes = b""  # the first bytes of what the client sent last
    left: int | None = None  # bytes from the client until it breaks off
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self) -> None:
        """Reset both sides."""
        for side in (self.client, self.server):
            connection = side.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            side.transport.abort()


@dataclass(kw_only=True, slots=True)
class Proxy:
    """Relays ``port`` to ``target``. Breaking it does not change the port."""

    target: int
    port: int = field(default_factory=free_port)
    loses: Loses = nothing
    cuts: int = 0  # answers lost so far
    _pairs: set[_Pair] = field(default_factory=set)
    _listener: asyncio.Server | None = None
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _swallows: bool = False
    _budget: int | None = None

    # --- what can be done to it

    async def open(self) -> None:
        """Listen (again)."""
        self._flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, HOST, self.port)

    async def refuse(self) -> None:
        """New connections are refused, those that there are are reset."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self.cut()
        await asyncio.gather(*(pair.gone.wait() for pair in list(self._pairs)))
        if listener is not None:
            await listener.wait_closed()

    def cut(self) -> int:
        """Reset every connection; how many."""
        pairs = list(self._pairs)
        for pair in pairs:
            pair.abort()
        return len(pairs)

    def cut_after(self, count: int) -> None:
        """The next connection is reset when its client has sent so many bytes."""
        self._budget = count

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing passes in the block; afterwards everything does."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    @contextlib.contextmanager
    def swallowing(self) -> Iterator[None]:
        """What clients send in the block is lost, and the connections that were open are reset at its end."""
        self._swallows = True
        try:
            yield
        finally:
            self._swallows = False
            self.cut()

    # --- the relay

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        budget, self._budget = self._budget, None
        pair = _Pair(client=writer, server=to_server, left=budget)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, pair))
                group.create_task(self._answers(from_server, pair))
        except* OSError:
            pass
        finally:
            pair.abort()
            await asyncio.gather(writer.wait_closed(), to_server.wait_closed(), return_exceptions=True)
            self._pairs.discard(pair)
            pair.gone.set()

    async def _requests(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        while data := await reader.read(BLOCK):
            await self._flowing.wait()
            pair.request = data[:256]
            if pair.left is not None:
                data, pair.left = data[: pair.left], pair.left - len(data)
            if not self._swallows:
                pair.server.write(data)
                await pair.server.drain()
            if pair.left is not None and pair.left <= 0:
                self.cuts += 1
                pair.abort()
        raise ConnectionResetError

    async def _answers(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        while data := await reader.read(BLOCK):
            await self._flowing.wait()
            if self.loses(pair.request):
                self.cuts += 1
                pair.abort()
                raise ConnectionResetError
            pair.client.write(data)
            await pair.client.drain()
        raise ConnectionResetError


@asynccontextmanager
async def relaying(target: int) -> AsyncIterator[Proxy]:
    """An open relay to a port of this machine."""
    proxy = Proxy(target=target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.refuse()
