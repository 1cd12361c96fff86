"""The broker of the embedded form keeps the contract."""

import pytest

from core.adapters.memory_broker import MOST_UNHEARD, MemoryBroker
from core.ports import Queue
from tests.contracts.broker_contract import BrokerContract, Hands, note


class TestMemoryBroker(BrokerContract):
    """In this process."""

    @pytest.fixture
    async def broker(self):
        """A fresh one, closed at the end."""
        broker = MemoryBroker()
        yield broker
        await broker.close()

    async def test_what_nobody_ever_consumes_does_not_grow_for_ever(self, broker):
        """An API process on its own publishes all its life: the newest are kept, and only so many."""
        for number in range(MOST_UNHEARD + 5):
            await broker.publish(Queue.CHUNKS, note(number))
        assert await broker.ready(Queue.CHUNKS) == MOST_UNHEARD
        hands = Hands()
        await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
        assert (await hands.have(1))[0].message == note(5)

    async def test_a_queue_that_is_consumed_drops_nothing(self, broker):
        """However far behind its consumer is."""
        await broker.consume(Queue.CHUNKS, Hands().take, prefetch=1)
        for number in range(MOST_UNHEARD + 5):
            await broker.publish(Queue.CHUNKS, note(number))
        assert await broker.ready(Queue.CHUNKS) >= MOST_UNHEARD + 4
