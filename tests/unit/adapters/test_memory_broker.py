"""The broker of the embedded form keeps the contract."""

import pytest

from core.adapters.memory_broker import MemoryBroker
from tests.contracts.broker_contract import BrokerContract


class TestMemoryBroker(BrokerContract):
    """In this process."""

    @pytest.fixture
    async def broker(self):
        """A fresh one, closed at the end."""
        broker = MemoryBroker()
        yield broker
        await broker.close()
