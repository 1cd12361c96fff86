"""The queues of one fleet as an operator sees them: on a connection of its own, past the relay."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from core.adapters.rabbitmq.messages import make_message
from core.adapters.rabbitmq.topology import Topology
from core.ports import Message, Queue

ASK_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """Of one queue. ``ready``: messages that wait undelivered; those in a consumer's hands are not told."""

    ready: int
    consumers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Queues:
    """Those of one prefix. A connection is made for each question: the broker may have died since the last one."""

    url: str
    topology: Topology

    @property
    def names(self) -> list[str]:
        """Of all three: two of work, one of dead letters."""
        return [*(self.topology.queue(queue) for queue in Queue), self.topology.dead_queue]

    async def depths(self) -> dict[str, Depth]:
        """Of every queue that is there; nothing where the broker does not answer."""
        found: dict[str, Depth] = {}
        for name in self.names:
            with contextlib.suppress(AMQPError, OSError, TimeoutError, RuntimeError):
                async with self._channel() as channel:
                    result = (await channel.declare_queue(name, passive=True)).declaration_result
                    found[name] = Depth(ready=result.message_count or 0, consumers=result.consumer_count or 0)
        return found

    async def waiting(self) -> list[str]:
        """A line for each queue that has messages."""
        return [f"{name}: {depth.ready}" for name, depth in (await self.depths()).items() if depth.ready]

    async def consumed(self, workers: int) -> bool:
        """Whether both queues of work have so many consumers."""
        depths = await self.depths()
        return all(name in depths and depths[name].consumers >= workers for name in map(self.topology.queue, Queue))

    async def delete(self, queue: Queue) -> None:
        """With all that is in it and whoever consumes it."""
        async with self._channel() as channel:
            await channel.queue_delete(self.topology.queue(queue))

    async def publish(self, queue: Queue, *messages: Message) -> None:
        """As the program does it, confirmed."""
        async with self._channel() as channel:
            for message in messages:
                await channel.default_exchange.publish(make_message(message), self.topology.queue(queue))

    async def take_all(self, queue: Queue) -> list[AbstractIncomingMessage]:
        """Every message that waits, taken out for good."""
        taken: list[AbstractIncomingMessage] = []
        async with self._channel() as channel:
            source = await channel.get_queue(self.topology.queue(queue), ensure=False)
            while (message := await source.get(no_ack=True, fail=False)) is not None:
                taken.append(message)
        return taken

    async def give(self, queue: Queue, taken: Sequence[AbstractIncomingMessage]) -> None:
        """Put back what was taken out."""
        async with self._channel() as channel:
            for message in taken:
                copy = aio_pika.Message(message.body, message_id=message.message_id, content_type=message.content_type)
                await channel.default_exchange.publish(copy, self.topology.queue(queue))

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        async with asyncio.timeout(ASK_SECONDS):
            connection = await aio_pika.connect(self.url)
        async with connection:
            yield await connection.channel()
