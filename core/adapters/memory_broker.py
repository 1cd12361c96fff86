"""The broker of the embedded form: queues in this process. They die with it, and the sweeper repairs that."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core.ports import Handler, Message, Queue


@dataclass(slots=True)
class _Line:
    """One queue: what waits, and a signal for consumers."""

    waiting: deque[Message] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryDelivery:
    """A message in hand; settling it twice is harmless."""

    def __init__(self, message: Message, settle: Callable[[Message, bool], None]) -> None:
        self.message = message
        self._settle: Callable[[Message, bool], None] | None = settle

    async def ack(self) -> None:
        """Done with."""
        self._settled(requeue=False)

    async def requeue(self) -> None:
        """Back to the head of the queue."""
        self._settled(requeue=True)

    def _settled(self, *, requeue: bool) -> None:
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(self.message, requeue)


class MemoryBroker:
    """Implements :class:`core.ports.Broker` for one process."""

    volatile = True

    def __init__(self) -> None:
        self._lines = {queue: _Line() for queue in Queue}
        self._consumers: set[asyncio.Task[None]] = set()

    async def publish(self, queue: Queue, message: Message) -> None:
        """Put a message at the end."""
        line = self._lines[queue]
        line.waiting.append(message)
        line.arrived.set()

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Callable[[], Awaitable[None]]:
        """Deliver to ``handler`` while fewer than ``prefetch`` deliveries are unsettled."""
        consumer = asyncio.create_task(self._deliver(self._lines[queue], handler, asyncio.Semaphore(prefetch)))
        self._consumers.add(consumer)

        async def stop() -> None:
            self._consumers.discard(consumer)
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)

        return stop

    async def ready(self, queue: Queue) -> int:
        """How many messages wait."""
        return len(self._lines[queue].waiting)

    async def close(self) -> None:
        """Stop delivering."""
        for consumer in list(self._consumers):
            consumer.cancel()
        await asyncio.gather(*self._consumers, return_exceptions=True)
        self._consumers.clear()

    async def _deliver(self, line: _Line, handler: Handler, free: asyncio.Semaphore) -> None:
        def settle(message: Message, requeue: bool) -> None:
            if requeue:
                line.waiting.appendleft(message)
                line.arrived.set()
            free.release()

        while True:
            await free.acquire()
            message = await _take(line, free)
            await handler(MemoryDelivery(message, settle))


async def _take(line: _Line, free: asyncio.Semaphore) -> Message:
    try:
        while not line.waiting:
            line.arrived.clear()
            await line.arrived.wait()
    except asyncio.CancelledError:
        free.release()
        raise
    return line.waiting.popleft()
