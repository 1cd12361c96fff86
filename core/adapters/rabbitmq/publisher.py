"""Publishing: persistent, mandatory, confirmed, and never longer than a deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import PublishError

from core.adapters.rabbitmq.connection import Address, connected, is_blocked
from core.adapters.rabbitmq.driver import driving
from core.adapters.rabbitmq.ending import Ending
from core.adapters.rabbitmq.keeper import Keeper
from core.adapters.rabbitmq.messages import make_message
from core.adapters.rabbitmq.topology import Topology
from core.cancelling import cancel_all
from core.errors import BrokerUnavailableError
from core.ports import Message, Queue

BLOCKED = (
    "RabbitMQ takes no messages: it is short of disk space or memory. Look at `rabbitmqctl status` for its alarms; "
    "it goes on by itself once there is room."
)


class PublishingLine:
    """A connection on which nothing is consumed: an alarm stops the broker from reading it."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel, ending: Ending) -> None:
        self.connection = connection
        self.ending = ending
        self._channel = channel

    async def send(self, routing_key: str, message: Message, *, mandatory: bool = True) -> None:
        """Returns when the broker has it. Raises what the driver raises."""
        await self._channel.default_exchange.publish(make_message(message), routing_key, mandatory=mandatory)

    async def blocked(self) -> bool:
        """Whether an alarm is on."""
        return await is_blocked(self.connection)

    async def unblocked(self) -> None:
        """Returns while no alarm is on."""
        if self.connection.transport is not None:
            await self.connection.transport.ready()


class Publisher:
    """Publishes over the line that there is."""

    def __init__(self, address: Address, topology: Topology, *, confirms: bool = True) -> None:
        self._address = address
        self._pace = address.pace
        self._topology = topology
        self._confirms = confirms
        self._keeper = Keeper(self._line, self._pace, "publish")

    async def start(self) -> None:
        """Begin to connect; returns when the first try has ended, either way."""
        await self._keeper.known()

    async def publish(self, queue: Queue, message: Message) -> None:
        """Raises ``BrokerUnavailableError``: at once where the broker is known to be away or blocked."""
        name = self._topology.queue(queue)
        with driving(f"publishing to {name}"):
            deadline = asyncio.get_running_loop().time() + self._pace.publish
            async with asyncio.timeout_at(deadline):
                line = await self._usable()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._send(line, name, message)
            except TimeoutError:
                await self._unanswered(line)
                raise

    async def check(self) -> str | None:
        """None where publishing works, else why not."""
        line = self._keeper.line
        if line is None:
            return self._keeper.trouble or f"There is no connection to RabbitMQ at {self._address.place} yet."
        return BLOCKED if await line.blocked() else None

    async def close(self) -> None:
        """Close the connection."""
        await self._keeper.close()

    async def _send(self, line: PublishingLine, name: str, message: Message) -> None:
        try:
            await line.send(name, message)
        except PublishError:  # returned: somebody deleted the queue
            await self._topology.declare_again(line.connection, self._pace.deleted)
            await line.send(name, message)

    async def _usable(self) -> PublishingLine:
        line = await self._keeper.get()
        if await line.blocked():
            raise BrokerUnavailableError(BLOCKED)
        return line

    async def _unanswered(self, line: PublishingLine) -> None:
        """An alarm goes away by itself; any other silence means that the connection is no good."""
        if await line.blocked():
            raise BrokerUnavailableError(BLOCKED)
        self._keeper.drop(
            line,
            f"RabbitMQ at {self._address.place} has not confirmed a message in time. If that goes on, look at "
            "`rabbitmqctl list_queues name leader state`: a queue without a leader has to be deleted.",
        )

    async def _probe(self, line: PublishingLine) -> None:
        """The broker tells of an alarm only those who publish: publish something now and then, to nowhere."""
        while not line.ending.reached:
            try:
                with driving("probing"):
                    await line.unblocked()
                    async with asyncio.timeout(self._pace.publish):
                        await line.send(self._topology.nowhere, Message(task_id="probe"), mandatory=False)
            except BrokerUnavailableError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    line.ending.bring(error.message)
                elif not await line.blocked():
                    self._keeper.drop(line, error.message)
            await asyncio.sleep(self._pace.probe)

    @contextlib.asynccontextmanager
    async def _line(self) -> AsyncIterator[PublishingLine]:
        ending = Ending()
        async with connected(self._address, "parascribe publish", ending) as connection:
            with driving("opening a channel"):
                async with asyncio.timeout(self._pace.connect):
                    channel = connection.channel(publisher_confirms=self._confirms, on_return_raises=self._confirms)
                    await channel.initialize()
                    channel.close_callbacks.add(ending.on_close("the channel"))
                    await self._topology.declare(connection)
            line = PublishingLine(connection, channel, ending)
            probing = asyncio.create_task(self._probe(line))
            try:
                yield line
            finally:
                await cancel_all([probing])
