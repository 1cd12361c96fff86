"""The broker of the distributed form."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from core.adapters.rabbitmq.connection import Address
from core.adapters.rabbitmq.consumer import Consumer, Ground
from core.adapters.rabbitmq.driver import QueueMissingError, driving
from core.adapters.rabbitmq.inspection import ConsumingLine, consuming_line
from core.adapters.rabbitmq.keeper import Keeper
from core.adapters.rabbitmq.pace import Pace
from core.adapters.rabbitmq.publisher import Publisher
from core.adapters.rabbitmq.session import Session
from core.adapters.rabbitmq.topology import Topology
from core.ports import Handler, Message, Queue

log = structlog.get_logger()

MOST_PREFETCH = 2000  # what a quorum queue takes


class RabbitBroker:
    """Implements :class:`core.ports.Broker`. Two connections: an alarm stops the one that publishes, not the other.

    ``without``: guards switched off by tests, see ``TEST_WITHOUT``. Raises ``InvalidRequestError`` for a bad ``url``.
    """

    volatile = False

    def __init__(self, url: str, *, prefix: str, pace: Pace | None = None, without: Collection[str] = ()) -> None:
        self._pace = pace or Pace()
        self._topology = Topology(prefix=prefix)
        self._watched = "watchdog" not in without
        address = Address.parse(url, self._pace)
        self._publisher = Publisher(address, self._topology, confirms="confirms" not in without)
        self._keeper: Keeper[ConsumingLine] = Keeper(lambda: consuming_line(address), self._pace, "consume")
        self._consumers: list[Consumer] = []
        self._broken = asyncio.Event()

    async def start(self) -> None:
        """Begin to connect. Returns when the first try has ended, either way; a broker that is away is no error."""
        await self._publisher.start()

    async def publish(self, queue: Queue, message: Message) -> None:
        """Returns when the broker has it on disk. Raises ``BrokerUnavailableError``: within 10 s, mostly at once."""
        await self._publisher.publish(queue, message)

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Callable[[], Awaitable[None]]:
        """Returns at once; deliveries begin when the broker is there, and begin anew whenever they ended."""
        ground = Ground(
            keeper=self._keeper,
            topology=self._topology,
            pace=self._pace,
            watched=self._watched,
            give_up=self._give_up,
        )

        async def republish(message: Message) -> None:
            await self.publish(queue, message)

        def session() -> Session:
            return Session(
                queue=name,
                handler=handler,
                prefetch=min(prefetch, MOST_PREFETCH),
                republish=republish,
                pace=self._pace,
            )

        name = self._topology.queue(queue)
        consumer = Consumer(ground, name, session)
        self._consumers.append(consumer)
        return consumer.stop

    async def ready(self, queue: Queue) -> int:
        """Asks the broker. Raises ``BrokerUnavailableError``: within 2 s, mostly at once."""
        name = self._topology.queue(queue)
        with driving(f"looking at {name}"):
            deadline = asyncio.get_running_loop().time() + self._pace.ask
            async with asyncio.timeout_at(deadline):
                line = await self._keeper.get()
            try:
                async with asyncio.timeout_at(deadline):
                    return (await line.count(name)).ready
            except QueueMissingError:
                return 0  # made again with the next message
            except TimeoutError:
                self._keeper.drop(line, "RabbitMQ does not answer.")
                raise

    async def check(self) -> str | None:
        """None where messages can be published now."""
        return await self._publisher.check()

    async def broken(self) -> None:
        """Returns once the broker has refused three times in a row what consuming needs."""
        await self._broken.wait()

    async def close(self) -> None:
        """Within some seconds, whatever the broker does. What is unsettled becomes ready again."""
        consumers, self._consumers = self._consumers, []
        await asyncio.gather(*(consumer.close() for consumer in consumers))
        await asyncio.gather(self._keeper.close(), self._publisher.close())

    def _give_up(self, reason: str) -> None:
        log.error("consuming cannot be mended", reason=reason)
        self._broken.set()
