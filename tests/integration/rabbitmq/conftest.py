"""A broker of the adapter's on a real node, with names of its own per test."""

import uuid
from collections.abc import AsyncIterator

import pytest

from benchmarks.private.rabbit import PrivateRabbit
from core.adapters.rabbitmq import RabbitBroker
from tests.support.rabbit import QUICK, rabbit

__all__ = ["rabbit"]


@pytest.fixture
def prefix() -> str:
    """What this test's queues begin with."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def broker(rabbit: PrivateRabbit, prefix: str) -> AsyncIterator[RabbitBroker]:
    """Connected."""
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK)
    await broker.start()
    yield broker
    await broker.close()
