"""A message is with the broker, or there is an error within the deadline: nothing between."""

import asyncio
import dataclasses
import time

import pytest

from benchmarks.private.rabbit import PrivateRabbit
from core.adapters.rabbitmq import RabbitBroker
from core.adapters.rabbitmq.topology import Topology
from core.errors import BrokerUnavailableError
from core.ports import Queue
from tests.contracts.broker_contract import Hands, note
from tests.support.rabbit import QUICK, eventually, raw_channel


async def test_a_queue_that_is_gone_is_noticed_and_made_again(broker, rabbit, prefix):
    """The broker returns the message, the queue is declared, and the message is sent once more."""
    async with raw_channel(rabbit) as channel:
        await channel.queue_delete(Topology(prefix=prefix).queue(Queue.TASKS))
    await broker.publish(Queue.TASKS, note(1))
    assert await broker.ready(Queue.TASKS) == 1


async def test_without_confirms_a_message_for_a_queue_that_is_gone_is_lost(rabbit, prefix):
    """So it is the confirms that notice."""
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK, without={"confirms"})
    await broker.start()
    async with raw_channel(rabbit) as channel:
        await channel.queue_delete(Topology(prefix=prefix).queue(Queue.TASKS))
    await broker.publish(Queue.TASKS, note(1))
    assert await broker.ready(Queue.TASKS) == 0
    await broker.close()


async def test_an_alarm_is_told_refuses_at_once_and_passes(broker, rabbit, prefix):
    """While the broker takes nothing, publishing fails and the reason is known; consuming and asking go on."""
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
    await broker.publish(Queue.CHUNKS, note(0))
    await broker.publish(Queue.CHUNKS, note(1))
    await hands.have(1)

    async def told() -> bool:
        return "disk" in (await broker.check() or "")

    async def well() -> bool:
        return await broker.check() is None

    await asyncio.to_thread(rabbit.ctl, "set_disk_free_limit", "900000GB")
    try:
        await eventually(told, seconds=15)
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(BrokerUnavailableError, match="disk"):
                await broker.publish(Queue.CHUNKS, note(2))
        assert time.monotonic() - began < 1
        assert await broker.ready(Queue.CHUNKS) == 1
        await hands.deliveries[0].ack()
        await hands.have(2)
        await hands.deliveries[1].requeue()  # no copy can be published: it goes back itself
        await hands.have(3)
    finally:
        await asyncio.to_thread(rabbit.ctl, "set_disk_free_limit", "1MB")
    await eventually(well, seconds=15)
    await broker.publish(Queue.CHUNKS, note(3))


async def test_an_alarm_that_is_not_known_yet_costs_no_more_than_the_deadline(rabbit, prefix):
    """The first message after it came on."""
    pace = dataclasses.replace(QUICK, probe=3600.0, publish=1.0)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=pace)
    await broker.publish(Queue.CHUNKS, note(0))
    await asyncio.to_thread(rabbit.ctl, "set_disk_free_limit", "900000GB")
    try:
        began = time.monotonic()
        with pytest.raises(BrokerUnavailableError, match="disk"):
            await broker.publish(Queue.CHUNKS, note(1))
        assert time.monotonic() - began < 3
        await broker.close()
    finally:
        await asyncio.to_thread(rabbit.ctl, "set_disk_free_limit", "1MB")


async def test_a_wrong_password_is_told_and_nothing_hangs(rabbit, prefix):
    """Without the password in the sentence."""
    url = rabbit.url.replace("guest:guest", "guest:sesame")
    broker = RabbitBroker(url, prefix=prefix, pace=QUICK)
    await broker.start()
    trouble = await broker.check()
    assert "RABBITMQ_URL" in trouble
    assert "sesame" not in trouble
    for act in (broker.publish(Queue.TASKS, note(1)), broker.ready(Queue.TASKS)):
        with pytest.raises(BrokerUnavailableError, match="password"):
            await act
    await broker.close()


async def test_nobody_there_is_no_error_at_start(prefix):
    """Publishing and asking fail at once, checking says why, and closing is quick."""
    broker = RabbitBroker("amqp://guest:guest@127.0.0.1:1/", prefix=prefix, pace=QUICK)
    began = time.monotonic()
    await broker.start()
    stop = await broker.consume(Queue.TASKS, Hands().take, prefetch=1)
    assert "127.0.0.1:1" in await broker.check()
    for act in (broker.publish(Queue.TASKS, note(1)), broker.ready(Queue.TASKS)):
        with pytest.raises(BrokerUnavailableError):
            await act
    await stop()
    await broker.close()
    assert time.monotonic() - began < 2


async def test_somebody_who_never_answers_is_no_hang(prefix):
    """A port that is open and silent: a frozen broker, or something else altogether."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pace = dataclasses.replace(QUICK, connect=0.3)
    broker = RabbitBroker(f"amqp://guest:guest@127.0.0.1:{port}/", prefix=prefix, pace=pace)
    async with asyncio.timeout(10):
        await broker.start()
        assert "no answer" in await broker.check()
        await broker.close()
    server.close()
    await server.wait_closed()


async def test_queues_of_another_make_are_told_and_end_the_process(rabbit, prefix):
    """Three refusals in a row: consuming cannot be mended. The sentence says what to do."""
    name = Topology(prefix=prefix).queue(Queue.TASKS)
    async with raw_channel(rabbit) as channel:
        await channel.declare_queue(name, durable=True)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK)
    await broker.start()
    trouble = await broker.check()
    assert name in trouble
    assert "RABBITMQ_PREFIX" in trouble
    await broker.consume(Queue.CHUNKS, Hands().take, prefetch=1)
    async with asyncio.timeout(15):
        await broker.broken()
    await broker.close()


async def test_while_the_broker_is_only_away_nothing_is_broken(prefix):
    """Whoever waits for it goes on waiting."""
    broker = RabbitBroker("amqp://guest:guest@127.0.0.1:1/", prefix=prefix, pace=QUICK)
    await broker.consume(Queue.CHUNKS, Hands().take, prefetch=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await broker.broken()
    await broker.close()


async def test_many_at_once_are_all_there(broker):
    """Confirms of messages that are under way at the same time are told apart."""
    await asyncio.gather(*(broker.publish(Queue.CHUNKS, note(number)) for number in range(300)))
    assert await broker.ready(Queue.CHUNKS) == 300


def test_the_node_is_private(rabbit: PrivateRabbit):
    """It listens on loopback alone."""
    lines = rabbit.ctl("eval", "rabbit_networking:active_listeners().")
    assert "{0,0,0,0}" not in lines
