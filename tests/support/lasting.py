"""A broker that outlives its workers, in this process, and fails in the ways that a test asks for."""

import asyncio
from collections import Counter

from core.adapters.memory_broker import MemoryBroker
from core.errors import BrokerUnavailableError
from core.ports import Message, Queue


class LastingBroker(MemoryBroker):
    """``away``: says so and takes nothing. ``hangs_seconds``: seems to be there, and takes nothing after so long."""

    volatile = False

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.hangs_seconds = 0.0
        self.failures = 0
        self.published: Counter[Message] = Counter()
        self.cannot_be_mended = asyncio.Event()

    async def publish(self, queue: Queue, message: Message) -> None:
        """As asked."""
        if self.hangs_seconds:
            await asyncio.sleep(self.hangs_seconds)
        if self.away or self.hangs_seconds:
            self.failures += 1
            raise BrokerUnavailableError("The broker is away.")
        self.published[message] += 1
        await super().publish(queue, message)

    async def ready(self, queue: Queue) -> int:
        """Nobody knows while it is away."""
        if self.away:
            raise BrokerUnavailableError("The broker is away.")
        return await super().ready(queue)

    async def check(self) -> str | None:
        """It knows when it is away, and does not know that it hangs."""
        return "The broker is away." if self.away else None

    async def broken(self) -> None:
        """When the test says so."""
        await self.cannot_be_mended.wait()

    def wipe(self) -> None:
        """All that waits is gone, as when its data are removed."""
        for line in self._lines.values():
            line.waiting.clear()
