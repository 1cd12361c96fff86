"""The broker of the embedded form: queues in this process. They die with it, and the sweeper repairs that."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core.adapters.handing import hand_over
from core.ports import Handler, Message, Queue

HANDLING_SECONDS = 3.0  # for a handler to come to its end
MOST_UNHEARD = 10_000  # messages that wait in a queue that nobody in this process has ever consumed


@dataclass(slots=True)
class _Line:
    """One queue: what waits, a signal for consumers, and whether there ever was one."""

    waiting: deque[Message] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    consumed: bool = False

    async def filled(self) -> None:
        """Returns once something waits."""
        while not self.waiting:
            self.arrived.clear()
            await self.arrived.wait()


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
        """Put a message at the end. Where nobody ever listens (an API on its own) the oldest are dropped in time."""
        line = self._lines[queue]
        line.waiting.append(message)
        if not line.consumed and len(line.waiting) > MOST_UNHEARD:
            line.waiting.popleft()
        line.arrived.set()

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Callable[[], Awaitable[None]]:
        """Deliver to ``handler`` while fewer than ``prefetch`` deliveries are unsettled."""
        line = self._lines[queue]
        line.consumed = True
        handing = asyncio.Lock()
        consumer = asyncio.create_task(self._deliver(line, handler, asyncio.Semaphore(prefetch), handing))
        self._consumers.add(consumer)

        async def stop() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANDLING_SECONDS), handing:
                    pass  # the handler that runs right now comes to its end, and no other begins: the loop is ours
            self._consumers.discard(consumer)
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)

        return stop

    async def ready(self, queue: Queue) -> int:
        """How many messages wait."""
        return len(self._lines[queue].waiting)

    async def check(self) -> str | None:
        """A queue in this process is always there."""
        return None

    async def broken(self) -> None:
        """Never."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Stop delivering."""
        for consumer in list(self._consumers):
            consumer.cancel()
        await asyncio.gather(*self._consumers, return_exceptions=True)
        self._consumers.clear()

    async def _deliver(self, line: _Line, handler: Handler, free: asyncio.Semaphore, handing: asyncio.Lock) -> None:
        def settle(message: Message, requeue: bool) -> None:
            if requeue:
                line.waiting.appendleft(message)
                line.arrived.set()
            free.release()

        while True:
            await asyncio.sleep(0)  # a consumer that gives everything back (one that leaves) must not keep the loop
            await free.acquire()
            await line.filled()
            async with handing:
                if line.waiting:  # still, or another consumer was quicker
                    await hand_over(MemoryDelivery(line.waiting.popleft(), settle), handler)
                else:
                    free.release()
