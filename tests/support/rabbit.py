"""A RabbitMQ node for tests, and what they look at behind the adapter's back."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from benchmarks.private.rabbit import PrivateRabbit, installed
from core.adapters.rabbitmq import Pace

# Everything that is a pause in earnest is short; what is a deadline stays long enough for a busy machine.
QUICK = Pace(probe=0.2, watch=0.2, idle=0.6, first_delay=0.02, longest_delay=0.5)


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
