"""One channel that consumes one queue, from its opening to its end."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from core.adapters.handing import hand_over
from core.adapters.rabbitmq.delivery import RabbitDelivery
from core.adapters.rabbitmq.driver import driving
from core.adapters.rabbitmq.ending import Ending
from core.adapters.rabbitmq.inspection import Count
from core.adapters.rabbitmq.messages import read_message
from core.adapters.rabbitmq.pace import Pace
from core.cancelling import cancel_all
from core.errors import BrokerUnavailableError
from core.ports import Handler, Message

log = structlog.get_logger()

STALE = "nothing was delivered for a while"
Republish = Callable[[Message], Awaitable[None]]


class Session:
    """Deliveries are queued here and handed over one by one, by a task that does not die with the channel."""

    def __init__(self, *, queue: str, handler: Handler, prefetch: int, republish: Republish, pace: Pace) -> None:
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._republish = republish
        self._pace = pace
        self._channel: AbstractChannel | None = None
        self._tag: str | None = None
        self._inbox: deque[AbstractIncomingMessage] = deque()
        self._filled = asyncio.Event()
        self._held = 0
        self._moved = time.monotonic()
        self._handing = asyncio.Lock()
        self._cut_off: RabbitDelivery | None = None  # whose handler did not come to its end in time
        self._task: asyncio.Task[None] | None = None
        self.ending = Ending()

    async def open(self, channel: AbstractChannel, *, heed_cancel: bool) -> None:
        """Consume on a channel that is not open yet. Raises what the driver raises."""
        self._channel = channel
        await channel.initialize()
        channel.close_callbacks.add(self.ending.on_close("the channel"))
        await channel.set_qos(prefetch_count=self._prefetch)
        if heed_cancel:
            raw = await channel.get_underlay_channel()
            raw.on_consumer_cancel_callbacks.add(lambda _: self.ending.bring("the broker cancelled the consumer"))
        queue = await channel.get_queue(self._queue, ensure=False)
        self._task = asyncio.create_task(self._hand_over())
        self._tag = await queue.consume(self._arrived)

    async def stop(self) -> None:
        """Take no more; what was handed over can still be settled."""
        channel, tag = self._channel, self._tag
        if channel is not None and tag is not None and not self.ending.reached:
            with contextlib.suppress(BrokerUnavailableError), driving("cancelling a consumer"):
                raw = await channel.get_underlay_channel()
                await raw.basic_cancel(tag, timeout=self._pace.ask)
        await self._end_handing()
        if self._cut_off is not None:
            await self._cut_off.requeue()
        while self._inbox:
            delivery = self._delivery(self._inbox.popleft())
            if delivery is not None:
                await delivery.requeue()

    async def close(self) -> None:
        """What is unsettled becomes ready again."""
        if self._task is not None:
            await cancel_all([self._task])
        if self._channel is not None:
            with contextlib.suppress(BrokerUnavailableError), driving("closing a channel"):
                async with asyncio.timeout(self._pace.close):
                    await self._channel.close()

    def deaf(self, count: Count) -> str | None:
        """Why this consumer is of no use any more, as far as the broker's figures tell."""
        if count.consumers == 0:
            return "the broker knows of no consumer"
        idle = time.monotonic() - self._moved
        if not self._held and idle > self._pace.fresh:
            return STALE
        if count.ready and self._held < self._prefetch and idle > self._pace.idle:
            return f"{count.ready} messages wait and none was delivered for {idle:.0f} s"
        return None

    # --- settling; deliveries call it, once each

    async def ack(self, raw: AbstractIncomingMessage) -> None:
        """Where the channel is dead the message comes again, which costs a look into the database."""
        self._release()
        await self._settle(raw.ack())

    async def reject(self, raw: AbstractIncomingMessage) -> None:
        """To the dead letters."""
        self._release()
        await self._settle(raw.reject(requeue=False))

    async def give_back(self, raw: AbstractIncomingMessage, message: Message) -> None:
        """Before RabbitMQ 4.3 every return counts towards the delivery limit; a copy starts at nought."""
        self._release()
        if self.ending.reached:
            return  # the broker has it again already
        try:
            await self._republish(message)
        except BrokerUnavailableError:
            log.warning("returned, which counts as a delivery: the broker took no copy in time", queue=self._queue)
            await self._settle(raw.nack(requeue=True))
        else:
            await self._settle(raw.ack())

    def _release(self) -> None:
        self._held -= 1
        self._moved = time.monotonic()

    async def _settle(self, settling: Awaitable[None]) -> None:
        with contextlib.suppress(BrokerUnavailableError), driving("settling"):
            async with asyncio.timeout(self._pace.ask):
                await settling

    # --- deliveries

    async def _arrived(self, raw: AbstractIncomingMessage) -> None:
        self._held += 1
        self._moved = time.monotonic()
        self._inbox.append(raw)
        self._filled.set()

    async def _hand_over(self) -> None:
        """Taken out under the lock: whoever stops us meanwhile finds it in the inbox, or handed over."""
        while True:
            await self._filled.wait()
            async with self._handing:
                await self._hand_over_one(self._inbox.popleft())
                if not self._inbox:
                    self._filled.clear()

    async def _hand_over_one(self, raw: AbstractIncomingMessage) -> None:
        delivery = self._delivery(raw)
        if delivery is None:
            log.error("message not understood, see the dead letters", queue=self._queue, body=raw.body[:200])
            await self.reject(raw)
            return
        try:
            await hand_over(delivery, self._handler)
        except asyncio.CancelledError:
            self._cut_off = delivery  # given back by whoever stops us, unless the handler has settled it
            raise

    async def _end_handing(self) -> None:
        """Let the handler that runs right now come to its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.close):
                await self._handing.acquire()
        if self._task is not None:
            await cancel_all([self._task])

    def _delivery(self, raw: AbstractIncomingMessage) -> RabbitDelivery | None:
        message = read_message(raw.body)
        return None if message is None else RabbitDelivery(message, raw, self)
