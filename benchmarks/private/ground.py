"""What a fleet stands on: a RabbitMQ node, a database, and a relay in front of each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.private.database import running_database
from benchmarks.private.processes import Child
from benchmarks.private.proxy import Proxy, relaying
from benchmarks.private.rabbit import PrivateRabbit
from cli.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """Shared by scenarios, one after the other; each has a database name and a queue prefix of its own."""

    folder: Path
    rabbit: PrivateRabbit
    database: Database
    database_process: Child
    database_relay: Proxy
    broker_relay: Proxy

    @property
    def database_url(self) -> str:
        """For the programs: through the relay."""
        return f"mongodb://127.0.0.1:{self.database_relay.port}/?directConnection=true"

    @property
    def broker_url(self) -> str:
        """For the programs: through the relay."""
        return f"amqp://guest:guest@127.0.0.1:{self.broker_relay.port}/"

    async def broker_back(self, *, wipe: bool = False) -> None:
        """kill -9, perhaps with the loss of all data, and a new start on the same port."""
        await asyncio.to_thread(self.rabbit.restart, wipe=wipe)


@asynccontextmanager
async def standing(folder: Path, *, rabbit_conf: Sequence[str] = ()) -> AsyncIterator[Ground]:
    """All of it started; ended and removed afterwards."""
    rabbit = PrivateRabbit(conf=rabbit_conf)
    try:
        await asyncio.to_thread(rabbit.launch)
        async with (
            running_database(folder) as (database, process),
            relaying(database.port) as database_relay,
            relaying(rabbit.port) as broker_relay,
        ):
            await asyncio.to_thread(rabbit.wait)
            yield Ground(
                folder=folder,
                rabbit=rabbit,
                database=database,
                database_process=process,
                database_relay=database_relay,
                broker_relay=broker_relay,
            )
    finally:
        await asyncio.to_thread(rabbit.remove)
