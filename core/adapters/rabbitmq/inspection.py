"""Questions to the broker about a queue, on a connection that no alarm stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractConnection

from core.adapters.rabbitmq.connection import Address, connected
from core.adapters.rabbitmq.driver import driving
from core.adapters.rabbitmq.ending import Ending


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What a queue holds at a moment."""

    ready: int  # messages that wait undelivered
    consumers: int


class ConsumingLine:
    """A connection on which nothing is published, with a channel for questions."""

    def __init__(self, connection: AbstractConnection, ending: Ending) -> None:
        self.connection = connection
        self.ending = ending
        self._channel: AbstractChannel | None = None
        self._asking = asyncio.Lock()

    async def count(self, queue: str) -> Count:
        """Raises ``QueueMissingError``, ``BrokerUnavailableError``. The caller sets the deadline."""
        with driving(f"looking at {queue}"):
            async with self._asking:
                channel = await self._open()
                found = (await channel.declare_queue(queue, passive=True)).declaration_result
                return Count(ready=found.message_count or 0, consumers=found.consumer_count or 0)

    async def _open(self) -> AbstractChannel:
        """A question about a queue that is not there closes the channel."""
        if self._channel is None or self._channel.is_closed:
            self._channel = self.connection.channel(publisher_confirms=False)
            await self._channel.initialize()
        return self._channel


@contextlib.asynccontextmanager
async def consuming_line(address: Address) -> AsyncIterator[ConsumingLine]:
    """Open for the length of the block."""
    ending = Ending()
    async with connected(address, "parascribe consume", ending) as connection:
        yield ConsumingLine(connection, ending)
