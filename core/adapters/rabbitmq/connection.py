"""One connection to the broker, closed within a deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import aio_pika
from aio_pika.abc import AbstractConnection
from yarl import URL

from core.adapters.rabbitmq.driver import driving
from core.adapters.rabbitmq.ending import Ending
from core.adapters.rabbitmq.pace import Pace
from core.errors import BrokerUnavailableError, InvalidRequestError


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where the broker is, as whom, and how patiently."""

    url: URL
    pace: Pace

    @classmethod
    def parse(cls, url: str, pace: Pace) -> Self:
        """Of ``RABBITMQ_URL``. Raises ``InvalidRequestError``; the message never holds the password."""
        try:
            parsed = URL(url)
            usable = parsed.scheme in {"amqp", "amqps"} and bool(parsed.host) and parsed.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise InvalidRequestError(
                "RABBITMQ_URL is not the address of a broker. Write it like amqp://user:password@host:5672/ "
                "(amqps:// for TLS; special characters in the password as %XX).",
                code="invalid_settings",
            )
        if "heartbeat" not in parsed.query:
            parsed = parsed.update_query(heartbeat=pace.heartbeat)
        return cls(url=parsed, pace=pace)

    @property
    def place(self) -> str:
        """For messages: host and port."""
        port = self.url.port or (5671 if self.url.scheme == "amqps" else 5672)
        return f"{self.url.host}:{port}"


@contextlib.asynccontextmanager
async def connected(address: Address, purpose: str, ending: Ending) -> AsyncIterator[AbstractConnection]:
    """Open for the length of the block; ``ending`` hears when it dies. Raises ``BrokerUnavailableError``.

    One that never came about is closed too: the driver would do that whenever the object is collected, on whatever loop
    runs then, or on none.
    """
    connection = aio_pika.Connection(address.url, client_properties={"connection_name": purpose})
    try:
        with driving(f"connecting to {address.place}"):
            async with asyncio.timeout(address.pace.connect):
                await connection.connect()
        connection.close_callbacks.add(ending.on_close("the connection"))
        yield connection
    finally:
        with contextlib.suppress(BrokerUnavailableError), driving("closing"):
            async with asyncio.timeout(address.pace.close):
                await connection.close()


async def is_blocked(connection: AbstractConnection) -> bool:
    """Whether an alarm (disk, memory) makes the broker take nothing from this connection. Asks nobody."""
    if connection.transport is None:
        return False
    try:
        async with asyncio.timeout(0):  # what would have to wait does not
            await connection.transport.ready()
    except TimeoutError:
        return True
    return False
