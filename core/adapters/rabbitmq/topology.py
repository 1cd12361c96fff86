"""Names and arguments of everything that lies in the broker.

A queue's arguments cannot be changed once it is there. Whoever changes one here raises ``VERSION``: old and new
processes then use different queues, each drains its own, and the sweeper announces again what nobody took. The operator
deletes the old queues afterwards.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection

from core.adapters.rabbitmq.driver import driving
from core.ports import Queue

VERSION = "v1"
# A backstop only. The database allows a chunk three attempts and 25 interruptions, and before RabbitMQ 4.3 every return
# of a message counts, that of a worker which stops in order included.
DELIVERY_LIMIT = 100
MOST_DEAD = 10_000
DEAD_FOR_MILLISECONDS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Topology:
    """Two queues of work, and one for what could not be delivered, for the operator to look at."""

    prefix: str

    def queue(self, queue: Queue) -> str:
        """The name of a queue of work."""
        return f"{self.prefix}.{queue.value}.{VERSION}"

    @property
    def dead_exchange(self) -> str:
        """Where dead letters go."""
        return f"{self.prefix}.dead"

    @property
    def dead_queue(self) -> str:
        """Where they lie."""
        return f"{self.prefix}.dead.{VERSION}"

    @property
    def nowhere(self) -> str:
        """The name of no queue: a probe sent there is confirmed and dropped."""
        return f"{self.prefix}.nowhere"

    async def declare(self, connection: AbstractConnection) -> None:
        """Make what is missing. Raises ``RefusedError`` where something is there with other arguments."""
        with driving("declaring the queues"):
            async with connection.channel() as channel:  # of its own: a refusal closes it
                await self._declare(channel)

    async def declare_again(self, connection: AbstractConnection, pause: float) -> None:
        """As :meth:`declare`, for a queue that was just found to be gone.

        RabbitMQ 3.10 says that a queue is deleted some 30 ms before it is. Declared within that time it comes back with
        its old consumers, which it delivers to and which hear nothing. (Measured on 3.10.8.)
        """
        await asyncio.sleep(pause)
        await self.declare(connection)

    async def _declare(self, channel: AbstractChannel) -> None:
        exchange = await channel.declare_exchange(self.dead_exchange, ExchangeType.FANOUT, durable=True)
        dead = await channel.declare_queue(self.dead_queue, durable=True, arguments=_dead())
        await dead.bind(exchange)
        for queue in Queue:
            await channel.declare_queue(self.queue(queue), durable=True, arguments=self._work())

    def _work(self) -> dict[str, Any]:
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead_exchange,
            # Both, or a dead letter may be lost on its way: https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


def _dead() -> dict[str, Any]:
    return {"x-queue-type": "quorum", "x-max-length": MOST_DEAD, "x-message-ttl": DEAD_FOR_MILLISECONDS}
