"""The rules of every broker, on a real node."""

from collections.abc import AsyncIterator

import pytest

from benchmarks.private.rabbit import PrivateRabbit
from core.adapters.rabbitmq import RabbitBroker
from tests.contracts.broker_contract import BrokerContract
from tests.support.rabbit import QUICK


class TestRabbitBroker(BrokerContract):
    """See the contract."""

    @pytest.fixture
    async def successor(self, rabbit: PrivateRabbit, prefix: str) -> AsyncIterator[RabbitBroker]:
        """On the same queues."""
        broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK)
        yield broker
        await broker.close()
