"""Sending wake-ups to a broker that may be away."""

import asyncio
import time

import pytest

from core.flow.heralds import AT_ONCE, Herald
from core.ports import Message, Queue
from tests.support.lasting import LastingBroker


def messages(count: int) -> list[Message]:
    """Different ones."""
    return [Message(task_id=str(number)) for number in range(count)]


async def test_all_are_sent():
    """Once each, however many."""
    broker = LastingBroker()
    assert await Herald(broker).send(Queue.TASKS, messages(2 * AT_ONCE + 1)) == 2 * AT_ONCE + 1
    assert set(broker.published.values()) == {1}
    assert len(broker.published) == 2 * AT_ONCE + 1


async def test_a_broker_that_says_it_is_away_is_not_tried():
    """It costs nothing to ask it, and a deadline to try."""
    broker = LastingBroker()
    broker.away = True
    assert await Herald(broker).send(Queue.TASKS, messages(3)) == 0
    assert broker.failures == 0


async def test_one_failure_ends_it_for_a_while():
    """A broker that hangs takes its deadline each time: once for all of these, and not at all for the next."""
    broker = LastingBroker()
    herald = Herald(broker, quiet_seconds=0.3)
    broker.hangs_seconds = 0.1
    began = time.monotonic()
    assert await herald.send(Queue.TASKS, messages(500)) == 0
    assert await herald.send(Queue.TASKS, messages(500)) == 0
    assert time.monotonic() - began < 0.3
    assert broker.failures == AT_ONCE
    assert await herald.obstacle() is not None
    broker.hangs_seconds = 0.0
    await asyncio.sleep(0.3)  # the time itself is what is tested
    assert await herald.send(Queue.TASKS, messages(1)) == 1


async def test_a_fault_of_ours_is_not_taken_for_the_brokers():
    """What nobody foresaw is raised."""

    class Odd(LastingBroker):
        async def publish(self, queue: Queue, message: Message) -> None:
            raise ValueError(message.task_id)

    with pytest.raises(ValueError, match="0"):
        await Herald(Odd()).send(Queue.TASKS, messages(1))
