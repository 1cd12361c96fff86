"""What every broker must do. A suite subclasses this and gives a ``broker`` fixture."""

import asyncio

import pytest

from core.ports import Broker, Delivery, Message, Queue


class Hands:
    """A consumer that keeps what it gets."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._arrived = asyncio.Condition()

    async def take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        async with self._arrived:
            self._arrived.notify_all()

    async def have(self, count: int) -> list[Delivery]:
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.deliveries) >= count)
        return self.deliveries

    @property
    def messages(self) -> list[Message]:
        return [delivery.message for delivery in self.deliveries]


def note(number: int) -> Message:
    """A chunk message."""
    return Message(task_id="task", chunk=number)


class BrokerContract:
    """The rules."""

    @pytest.fixture
    async def successor(self) -> Broker | None:
        """The broker as another process has it; None where messages die with theirs."""
        return None

    async def test_a_broker_that_works_says_so(self, broker: Broker):
        """There is nothing to tell."""
        assert await broker.check() is None

    async def test_a_broker_that_works_is_not_broken(self, broker: Broker):
        """Whoever waits for that goes on waiting."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await broker.broken()

    async def test_what_is_unsettled_at_the_end_is_for_others(self, broker: Broker, successor: Broker | None):
        """A process that goes takes no message with it, but for those that it has settled."""
        if successor is None:
            assert broker.volatile
            return
        assert not broker.volatile
        mine, theirs = Hands(), Hands()
        await broker.consume(Queue.CHUNKS, mine.take, prefetch=5)
        for number in range(2):
            await broker.publish(Queue.CHUNKS, note(number))
        await (await mine.have(2))[0].ack()
        await broker.close()
        await mine.deliveries[1].ack()  # too late, and no error
        await successor.consume(Queue.CHUNKS, theirs.take, prefetch=5)
        await theirs.have(1)
        assert theirs.messages == [note(1)]

    async def test_a_message_arrives_as_it_was_sent(self, broker: Broker):
        """Task and chunk, on the queue that it was published to and on no other."""
        chunks, tasks = Hands(), Hands()
        await broker.consume(Queue.CHUNKS, chunks.take, prefetch=5)
        await broker.consume(Queue.TASKS, tasks.take, prefetch=5)
        await broker.publish(Queue.CHUNKS, note(7))
        await broker.publish(Queue.TASKS, Message(task_id="other"))
        await chunks.have(1)
        await tasks.have(1)
        assert chunks.messages == [note(7)]
        assert tasks.messages == [Message(task_id="other")]

    async def test_messages_sent_before_anybody_consumes_wait(self, broker: Broker):
        """They are counted as ready and delivered in order once somebody consumes."""
        for number in range(3):
            await broker.publish(Queue.CHUNKS, note(number))
        assert await broker.ready(Queue.CHUNKS) == 3
        hands = Hands()
        await broker.consume(Queue.CHUNKS, hands.take, prefetch=5)
        await hands.have(3)
        assert hands.messages == [note(0), note(1), note(2)]
        assert await broker.ready(Queue.CHUNKS) == 0

    async def test_no_more_than_prefetch_are_unsettled(self, broker: Broker):
        """The third message waits until one of the first two is acknowledged."""
        hands = Hands()
        await broker.consume(Queue.CHUNKS, hands.take, prefetch=2)
        for number in range(3):
            await broker.publish(Queue.CHUNKS, note(number))
        await hands.have(2)
        assert await broker.ready(Queue.CHUNKS) == 1
        await hands.deliveries[0].ack()
        await hands.have(3)

    async def test_what_is_requeued_comes_again(self, broker: Broker):
        """To whoever consumes."""
        hands = Hands()
        await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
        await broker.publish(Queue.CHUNKS, note(1))
        await (await hands.have(1))[0].requeue()
        await hands.have(2)
        assert hands.messages == [note(1), note(1)]

    async def test_a_consumer_that_gives_everything_back_can_be_stopped(self, broker: Broker):
        """The same message comes again and again, and others still have their turn on the loop."""
        came, begun = 0, asyncio.Event()

        async def give_back(delivery: Delivery) -> None:
            nonlocal came
            came += 1
            begun.set()
            await (delivery.requeue() if came < 500 else delivery.ack())

        stop = await broker.consume(Queue.CHUNKS, give_back, prefetch=1)
        await broker.publish(Queue.CHUNKS, note(1))
        await begun.wait()
        await stop()
        assert came < 500

    async def test_settling_twice_is_harmless(self, broker: Broker):
        """A second acknowledgement neither raises nor lets one message too many through."""
        hands = Hands()
        await broker.consume(Queue.CHUNKS, hands.take, prefetch=1)
        for number in range(3):
            await broker.publish(Queue.CHUNKS, note(number))
        first = (await hands.have(1))[0]
        await first.ack()
        await first.ack()
        await first.requeue()
        await hands.have(2)
        assert await broker.ready(Queue.CHUNKS) == 1
        assert hands.messages == [note(0), note(1)]

    async def test_a_stopped_consumer_gets_nothing_more(self, broker: Broker):
        """And another one gets what comes after."""
        gone, here = Hands(), Hands()
        stop = await broker.consume(Queue.CHUNKS, gone.take, prefetch=5)
        await stop()
        await broker.publish(Queue.CHUNKS, note(1))
        await broker.consume(Queue.CHUNKS, here.take, prefetch=5)
        await here.have(1)
        assert gone.messages == []

    async def test_stopping_leaves_what_waits_behind_a_handler_to_others(self, broker: Broker):
        """The handler that runs comes to its end; nothing is lost between it and what it has not begun."""
        hands, gate = Hands(), asyncio.Event()

        async def take(delivery: Delivery) -> None:
            await hands.take(delivery)
            await gate.wait()
            await delivery.ack()

        stop = await broker.consume(Queue.CHUNKS, take, prefetch=5)
        for number in range(4):
            await broker.publish(Queue.CHUNKS, note(number))
        await hands.have(1)
        stopping = asyncio.create_task(stop())
        await asyncio.wait({stopping}, timeout=0.2)
        assert not stopping.done()  # it waits for the handler
        gate.set()
        await stopping
        assert hands.messages == [note(0)]
        theirs = Hands()
        await broker.consume(Queue.CHUNKS, theirs.take, prefetch=5)
        await theirs.have(3)
        assert sorted(message.chunk for message in theirs.messages) == [1, 2, 3]

    async def test_a_handler_that_raises_does_not_end_the_deliveries(self, broker: Broker):
        """Its message is done with, does not come again, and takes no place of the others."""
        hands = Hands()

        async def take(delivery: Delivery) -> None:
            await hands.take(delivery)
            if delivery.message == note(0):
                raise ValueError("a message that this version does not understand")

        await broker.consume(Queue.CHUNKS, take, prefetch=1)
        for number in range(2):
            await broker.publish(Queue.CHUNKS, note(number))
        await hands.have(2)
        assert hands.messages == [note(0), note(1)]
        assert await broker.ready(Queue.CHUNKS) == 0
