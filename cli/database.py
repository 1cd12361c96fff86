"""The embedded database: SecantusDB, a program of its own behind a loopback socket.

It is GPL-2.0 and therefore only ever run, never imported: see docs/reference/dependencies.md.
"""

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cli.processes import Program

_HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """One database directory, served on one port that stays the same over restarts."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        """What a MongoDB client connects to. ``directConnection``: no search for further members, there are none."""
        return f"mongodb://{_HOST}:{self.port}/?directConnection=true"

    @property
    def program(self) -> Program:
        """How it is started."""
        return Program(
            name="database",
            command=(
                *(sys.executable, "-P", "-m", "secantus"),
                *("--host", _HOST, "--port", str(self.port)),
                *("--storage-path", str(self.directory)),
                *("--cache-size", "128M"),  # a task is kilobytes; the default is 1 GB
                *("--oplog-max-entries", "1000"),  # nobody reads the operations log here, and it costs disk
                *("--log-level", "WARNING"),
                "--sync-on-commit",  # an accepted upload survives a power cut
            ),
        )

    async def ready(self, *, within_seconds: float) -> bool:
        """Wait until it answers a ping. False where it did not in time."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            if await self._accepts() and await self._answers():
                return True
            await asyncio.sleep(0.02)
        return False

    async def nudge(self) -> None:
        """Connect again and again, until cancelled, while it stops.

        On Linux, closing a listening socket does not wake the thread that waits in ``accept``; the database joins that
        thread for 2 s when it stops. A connection wakes it at once. One that comes together with the signal, however,
        can make it miss the signal: hence the pause first.
        """
        while True:
            await asyncio.sleep(0.2)
            await self._accepts()

    async def _accepts(self) -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(_HOST, self.port)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return True
        return False

    async def _answers(self) -> bool:
        from pymongo import AsyncMongoClient  # noqa: PLC0415 - the other commands do without the driver
        from pymongo.errors import PyMongoError  # noqa: PLC0415

        async with AsyncMongoClient[dict[str, object]](self.url, serverSelectionTimeoutMS=2000) as client:
            try:
                await client.admin.command("ping")
            except PyMongoError:
                return False
        return True
