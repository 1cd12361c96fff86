"""A RabbitMQ node for tests, and what they look at behind the adapter's back."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from benchmarks.private.rabbit import PrivateRabbit, installed
from core.adapters.rabbitmq import Pace
from core.errors import BrokerUnavailableError
from core.ports import Broker, Message, Queue

# Everything that is a pause in earnest is short; what is a deadline stays long enough for a busy machine.
QUICK = Pace(probe=0.2, watch=0.2, idle=0.6, fresh=3600.0, first_delay=0.02, longest_delay=0.5)


def need_rabbit() -> None:
    """Skip on a laptop without RabbitMQ; fail where everything has to be there."""
    if not installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("There is no rabbitmq-server here.")


@pytest.fixture(scope="session")
def rabbit() -> Iterator[PrivateRabbit]:
    """One node for the whole run. A test that breaks it leaves it running."""
    need_rabbit()
    with PrivateRabbit() as node:
        yield node


@contextlib.asynccontextmanager
async def raw_channel(node: PrivateRabbit) -> AsyncIterator[AbstractChannel]:
    """The driver itself."""
    connection = await aio_pika.connect(node.url)
    async with connection, connection.channel() as channel:
        yield channel


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Return once it holds; ``TimeoutError`` where it does not in time.

    By the clock as well: a driver may swallow the one cancellation that ends a wait.
    """
    clock = asyncio.get_running_loop().time
    over = clock() + seconds
    async with asyncio.timeout(seconds):
        while not await holds():
            if clock() > over:
                raise TimeoutError
            await asyncio.sleep(0.02)


async def taken(broker: Broker, queue: Queue, message: Message, seconds: float = 15) -> None:
    """Publish, again and again as a worker's sweeper would, until the broker has taken it."""

    async def sent() -> bool:
        try:
            await broker.publish(queue, message)
        except BrokerUnavailableError:
            return False
        return True

    await eventually(sent, seconds)
