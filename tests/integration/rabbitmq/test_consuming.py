"""Consuming goes on, whatever the broker does to a consumer; and settling does no harm."""

import asyncio
import dataclasses

import aio_pika
import pytest

from benchmarks.private.rabbit import PrivateRabbit
from core.adapters.rabbitmq import RabbitBroker
from core.adapters.rabbitmq.messages import make_message
from core.adapters.rabbitmq.topology import Topology
from core.ports import Delivery, Queue
from tests.contracts.broker_contract import Hands, note
from tests.support.rabbit import QUICK, eventually, raw_channel, taken


async def consumers(rabbit: PrivateRabbit, name: str) -> int:
    """How many the broker knows of; 0 where there is no such queue."""
    async with raw_channel(rabbit) as channel:
        try:
            queue = await channel.get_queue(name)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return 0
        return queue.declaration_result.consumer_count


async def consuming(rabbit: PrivateRabbit, name: str) -> None:
    """Return once somebody consumes."""

    async def some() -> bool:
        return await consumers(rabbit, name) > 0

    await eventually(some)


async def test_a_queue_that_is_deleted_is_made_again_and_consumed(broker, rabbit, prefix):
    """The broker cancels the consumer and says so; what is published afterwards arrives."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await consuming(rabbit, name)
    async with raw_channel(rabbit) as channel:
        await channel.queue_delete(name)
    await taken(broker, Queue.CHUNKS, note(1))
    await hands.have(1)


async def test_a_cancel_from_the_broker_is_heard(rabbit, prefix):
    """Long before the watchdog would look."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=dataclasses.replace(QUICK, watch=3600.0))
    await broker.start()
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await consuming(rabbit, name)
    async with raw_channel(rabbit) as channel:
        await channel.queue_delete(name)
    await taken(broker, Queue.CHUNKS, note(1))
    await hands.have(1)
    await broker.close()


async def test_without_the_watchdog_a_deleted_queue_ends_consuming(rabbit, prefix):
    """So it is the watchdog, and the ear for cancelling, that mend it."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK, without={"watchdog"})
    await broker.start()
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await consuming(rabbit, name)
    async with raw_channel(rabbit) as channel:
        await channel.queue_delete(name)
    await taken(broker, Queue.CHUNKS, note(1))  # publishing makes the queue again
    with pytest.raises(TimeoutError):
        await eventually(lambda: _some(rabbit, name), seconds=5 * QUICK.watch)
    assert hands.messages == []
    assert await broker.ready(Queue.CHUNKS) == 1
    await broker.close()


async def _some(rabbit: PrivateRabbit, name: str) -> bool:
    return await consumers(rabbit, name) > 0


async def test_a_consumer_that_the_broker_forgot_without_a_word_is_replaced(rabbit, prefix):
    """Its queue was deleted and made again, and the cancelling never reached us: the figures tell."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK)
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await consuming(rabbit, name)
    session = broker._consumers[0]._session
    raw = await session._channel.get_underlay_channel()
    await raw.basic_cancel(session._tag)  # nobody tells the adapter
    await consuming(rabbit, name)
    await taken(broker, Queue.CHUNKS, note(1))
    await hands.have(1)
    await broker.close()


async def test_a_deaf_consumer_beside_another_is_replaced(rabbit, prefix):
    """Messages wait, none is delivered to us though we have hands free: somebody else's consumer does not count."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=QUICK)
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await consuming(rabbit, name)
    async with raw_channel(rabbit) as channel:
        await channel.set_qos(prefetch_count=1)
        await (await channel.get_queue(name)).consume(_keep)
        session = broker._consumers[0]._session
        raw = await session._channel.get_underlay_channel()
        await raw.basic_cancel(session._tag)
        for number in range(3):
            await taken(broker, Queue.CHUNKS, note(number))
        await hands.have(2)
    await broker.close()


async def test_a_consumer_that_hears_nothing_is_renewed_now_and_then(rabbit, prefix):
    """A queue declared too soon after its deletion takes messages, counts a consumer and delivers to nobody."""
    topology = Topology(prefix=prefix)
    name = topology.queue(Queue.CHUNKS)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=dataclasses.replace(QUICK, fresh=0.5))
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await consuming(rabbit, name)
    async with raw_channel(rabbit) as channel, await aio_pika.connect(rabbit.url) as connection:
        await channel.queue_delete(name)
        await topology.declare(connection)
        await channel.default_exchange.publish(make_message(note(1)), name)
    await hands.have(1)
    await broker.close()


async def _keep(raw: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Never settled."""


async def test_a_channel_that_the_broker_closes_is_replaced(broker, rabbit, prefix):
    """A double acknowledgement on the wire (a consumer timeout does the same): what was unsettled comes again."""
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
    await broker.publish(Queue.CHUNKS, note(1))
    await broker.publish(Queue.CHUNKS, note(2))
    first, second = await hands.have(2)
    await first.ack()
    await (await broker._consumers[0]._session._channel.get_underlay_channel()).basic_ack(1)
    await hands.have(3)
    assert hands.messages == [note(1), note(2), note(2)]
    await second.ack()  # on the channel that is gone
    await second.requeue()
    await hands.deliveries[2].ack()
    assert await broker.ready(Queue.CHUNKS) == 0


async def test_giving_back_does_not_count_as_a_delivery(broker, rabbit, prefix):
    """A worker that stops in order brings no message nearer to the delivery limit, and takes it from nobody."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    hands = Hands()
    stop = await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
    await broker.publish(Queue.CHUNKS, note(1))
    for time in range(1, 4):
        await (await hands.have(time))[time - 1].requeue()
    await hands.have(4)
    await stop()
    await hands.deliveries[3].requeue()
    async with raw_channel(rabbit) as channel:
        message = await (await channel.get_queue(name)).get()
        assert message.headers.get("x-delivery-count", 0) == 0
        assert not message.redelivered
        assert await (await channel.get_queue(name)).get(fail=False) is None


async def test_a_handler_that_is_cut_off_has_its_message_given_back(rabbit, prefix):
    """It waited for a database that is away, say: the message is another worker's at once, and not counted."""
    name = Topology(prefix=prefix).queue(Queue.CHUNKS)
    broker = RabbitBroker(rabbit.url, prefix=prefix, pace=dataclasses.replace(QUICK, close=0.2))
    begun = asyncio.Event()

    async def never_ends(_delivery: Delivery) -> None:
        begun.set()
        await asyncio.Event().wait()

    stop = await broker.consume(Queue.CHUNKS, never_ends, prefetch=2)
    for number in range(2):
        await taken(broker, Queue.CHUNKS, note(number))
    await begun.wait()
    await stop()
    async with raw_channel(rabbit) as channel:
        found = [await (await channel.get_queue(name)).get() for _ in range(2)]
        assert {message.headers.get("x-delivery-count", 0) for message in found} == {0}
    await broker.close()


async def test_what_is_not_understood_goes_to_the_dead_letters(broker, rabbit, prefix):
    """At once, and it holds up nothing; a message of a later version with more fields is understood."""
    topology = Topology(prefix=prefix)
    name = topology.queue(Queue.CHUNKS)
    hands = Hands()
    await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
    odd = [b"", b"\xff", b"[]", b"{}", b'{"task_id": 7}', b'{"task_id": "task", "chunk": "x"}', b"[" * 3000]
    async with raw_channel(rabbit) as channel:
        for body in [*odd, b'{"v": 9, "task_id": "task", "chunk": 4, "more": {}}']:
            await channel.default_exchange.publish(aio_pika.Message(body), name)
        await hands.have(1)
        assert hands.messages == [note(4)]
        dead = await channel.get_queue(topology.dead_queue)

        async def all_there() -> bool:
            return (await channel.get_queue(topology.dead_queue)).declaration_result.message_count == len(odd)

        await eventually(all_there)
        assert (await dead.get()).headers["x-first-death-reason"] == "rejected"


async def test_a_stopped_consumer_can_still_settle(broker):
    """A worker that stops takes nothing more, finishes what it has, and says so."""
    hands = Hands()
    stop = await broker.consume(Queue.CHUNKS, hands.take, prefetch=2)
    for number in range(3):
        await broker.publish(Queue.CHUNKS, note(number))
    first, second = await hands.have(2)
    await stop()
    await first.ack()
    await second.requeue()
    later = Hands()
    await broker.consume(Queue.CHUNKS, later.take, prefetch=5)
    await later.have(2)
    assert sorted(message.chunk for message in later.messages) == [1, 2]


async def test_stopping_lets_the_handler_come_to_its_end(broker):
    """A handler that is writing something down is not cut off, and its message is not given to another meanwhile."""
    go, ended, hands = asyncio.Event(), [], Hands()

    async def take(delivery: Delivery) -> None:
        await hands.take(delivery)
        await go.wait()
        ended.append(delivery)

    stop = await broker.consume(Queue.CHUNKS, take, prefetch=1)
    await broker.publish(Queue.CHUNKS, note(1))
    await hands.have(1)
    stopping = asyncio.create_task(stop())
    done, _ = await asyncio.wait({stopping}, timeout=0.5)
    assert not done
    go.set()
    await stopping
    assert ended == hands.deliveries
