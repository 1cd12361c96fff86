"""One connection spoken by hand, and the files that a server leaves."""

import asyncio
from pathlib import Path

import httpx

from api.server import ApiServer

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
