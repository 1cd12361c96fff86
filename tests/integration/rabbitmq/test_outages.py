"""The node is killed, frozen, and loses all it had: work goes on once it is back."""

import asyncio
import dataclasses
import time

import pytest

from benchmarks.private.rabbit import PrivateRabbit
from core.adapters.rabbitmq import RabbitBroker
from core.errors import BrokerUnavailableError
from core.ports import Queue
from tests.contracts.broker_contract import Hands, note
from tests.support.rabbit import QUICK, eventually, taken


async def test_killed_and_started_again_it_has_what_it_confirmed_and_is_consumed(broker, rabbit):
    """Persistent messages survive `kill -9`; consumer and publisher come back by themselves."""
    hands = Hands()
    await broker.consume(Queue.TASKS, hands.take, prefetch=5)
    for number in range(20):
        await broker.publish(Queue.CHUNKS, note(number))
    await asyncio.to_thread(rabbit.flush)
    await asyncio.to_thread(rabbit.kill)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailableError):
        await broker.publish(Queue.CHUNKS, note(20))
    assert time.monotonic() - began < 5
    assert await broker.check() is not None
    await asyncio.to_thread(rabbit.start)
    await taken(broker, Queue.TASKS, note(1))
    await hands.have(1)
    await eventually(lambda: _holds(broker, 20))


async def _holds(broker: RabbitBroker, count: int) -> bool:
    return await broker.ready(Queue.CHUNKS) == count


async def test_with_its_data_gone_everything_is_declared_again(broker, rabbit):
    """Nobody has to do anything by hand."""
    hands = Hands()
    await broker.consume(Queue.TASKS, hands.take, prefetch=5)
    await broker.publish(Queue.CHUNKS, note(1))
    await asyncio.to_thread(rabbit.restart, wipe=True)
    await taken(broker, Queue.TASKS, note(1))
    await hands.have(1)
    await taken(broker, Queue.CHUNKS, note(2))
    assert await broker.ready(Queue.CHUNKS) == 1


async def test_a_frozen_broker_holds_nobody_up_for_long(rabbit, prefix):
    """The first waits for its deadline, those after it are told at once; thawed, it is used again."""
    pace = dataclasses.replace(QUICK, publish=1.0, ask=0.5, connect=2.0, probe=3600.0)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=pace)
    await broker.publish(Queue.CHUNKS, note(0))
    await broker.ready(Queue.CHUNKS)
    rabbit.pause()
    try:
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(BrokerUnavailableError):
                await broker.publish(Queue.CHUNKS, note(1))
            with pytest.raises(BrokerUnavailableError):
                await broker.ready(Queue.CHUNKS)
        assert time.monotonic() - began < 3
        assert await broker.check() is not None
    finally:
        rabbit.resume()
    await taken(broker, Queue.CHUNKS, note(2))
    await broker.close()


async def test_confirms_tell_what_a_crash_swallowed(rabbit, prefix):
    """A node that takes bytes and dies: with confirms that is an error, without them nobody would know."""
    pace = dataclasses.replace(QUICK, publish=1.0)
    careful = RabbitBroker(rabbit.url, prefix=prefix, pace=pace)
    deaf = dataclasses.replace(pace, probe=3600.0)
    careless = RabbitBroker(rabbit.url, prefix=prefix, pace=deaf, without={"confirms"})
    await careful.start()
    await careless.start()
    await asyncio.to_thread(rabbit.flush)
    rabbit.pause()
    try:
        await careless.publish(Queue.CHUNKS, note(0))
        with pytest.raises(BrokerUnavailableError):
            await careful.publish(Queue.CHUNKS, note(1))
    finally:
        await asyncio.to_thread(_restart, rabbit)
    await taken(careful, Queue.CHUNKS, note(2))
    assert await careful.ready(Queue.CHUNKS) == 1
    await careful.close()
    await careless.close()


def _restart(rabbit: PrivateRabbit) -> None:
    rabbit.restart()


async def test_closing_beside_a_frozen_broker_ends(rabbit, prefix):
    """A process that is told to stop stops."""
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=dataclasses.replace(QUICK, close=0.2, ask=0.2))
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
    await taken(broker, Queue.CHUNKS, note(1))  # a node that has just been started may refuse one
    await hands.have(1)
    rabbit.pause()
    try:
        await hands.deliveries[0].ack()
        async with asyncio.timeout(1.9):  # the driver alone would wait for 2 s
            await broker.close()
    finally:
        rabbit.resume()
