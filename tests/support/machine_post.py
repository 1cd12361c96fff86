"""A broker and a blob store that do only what they are told, each as one process sees it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from core.errors import BlobNotFoundError, BrokerUnavailableError, TransientError
from core.ports import BlobInfo, Handler, Message, Queue
from tests.support.machine_loop import SteppedLoop, begin
from tests.support.machine_wire import Wire

log = structlog.get_logger()


@dataclass(kw_only=True)
class Consumer:
    """One process's ear at one queue."""

    wire: Wire
    queue: Queue
    handler: Handler
    prefetch: int
    unsettled: list["Letter"] = field(default_factory=list)


class Post:
    """The broker itself. Nothing is delivered by itself."""

    def __init__(self, loop: SteppedLoop) -> None:
        self._loop = loop
        self.waiting: dict[Queue, list[Message]] = {queue: [] for queue in Queue}
        self.consumers: list[Consumer] = []

    def deliver(self, queue: Queue, message: int, consumer: int, *, copy: bool = False) -> None:
        """Any waiting message to any consumer with room, whatever their order; a copy may stay behind."""
        ears = [ear for ear in self.consumers if ear.queue is queue and len(ear.unsettled) < ear.prefetch]
        line = self.waiting[queue]
        if not ears or not line:
            return
        ear, place = ears[consumer % len(ears)], message % len(line)
        letter = Letter(line[place] if copy else line.pop(place), ear, self)
        ear.unsettled.append(letter)
        begin(self._loop, ear.wire.name, _hand_over(ear, letter))

    def disconnect(self, wire: Wire | None = None) -> None:
        """One process, or everybody, loses its connection: what is unsettled waits again."""
        for ear in self.consumers:
            if wire is None or ear.wire is wire:
                self.waiting[ear.queue] += [letter.message for letter in ear.unsettled]
                ear.unsettled.clear()
        if wire is not None:
            self.consumers = [ear for ear in self.consumers if ear.wire is not wire]


async def _hand_over(ear: Consumer, letter: "Letter") -> None:
    """As an adapter does it: a handler that raises is done with the message."""
    await ear.wire.alive()
    try:
        await ear.handler(letter)
    except Exception:
        log.exception("message not handled")
        await letter.ack()


class Letter:
    """Implements :class:`core.ports.Delivery`. After a lost connection it can no longer be settled."""

    def __init__(self, message: Message, ear: Consumer, post: Post) -> None:
        self.message = message
        self._ear, self._post = ear, post

    async def ack(self) -> None:
        """Done with."""
        await self._settle(requeue=False)

    async def requeue(self) -> None:
        """Back to the others."""
        await self._settle(requeue=True)

    async def _settle(self, *, requeue: bool) -> None:
        wire = self._ear.wire
        try:
            await wire.through(lambda: self._settled(requeue), _no_broker, away=wire.away.broker)
        except BrokerUnavailableError:
            self._settled(requeue=True)  # the connection broke, so somebody will get it again, if it was not settled

    def _settled(self, requeue: bool) -> None:
        if self not in self._ear.unsettled:
            return
        self._ear.unsettled.remove(self)
        if requeue:
            self._post.waiting[self._ear.queue].append(self.message)


class WiredBroker:
    """Implements :class:`core.ports.Broker`: the broker as one process reaches it."""

    volatile = False

    def __init__(self, post: Post, wire: Wire) -> None:
        self._post, self._wire = post, wire

    async def publish(self, queue: Queue, message: Message) -> None:
        """Hand over one message."""
        line = self._post.waiting[queue]
        await self._wire.through(lambda: line.append(message), _no_broker, away=self._wire.away.broker)

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Callable[[], Awaitable[None]]:
        """Be one of those who get messages, when somebody delivers them."""
        ear = Consumer(wire=self._wire, queue=queue, handler=handler, prefetch=prefetch)
        self._post.consumers.append(ear)

        async def stop() -> None:
            if ear in self._post.consumers:
                self._post.consumers.remove(ear)

        return stop

    async def ready(self, queue: Queue) -> int:
        """How many messages wait."""
        line = self._post.waiting[queue]
        return await self._wire.through(lambda: len(line), _no_broker, away=self._wire.away.broker)

    async def check(self) -> str | None:
        """Whether it can be reached."""
        return "away" if self._wire.away.broker else None

    async def broken(self) -> None:
        """Never."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes and their age."""

    data: bytes
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))


class WiredBlobs:
    """Implements :class:`core.ports.BlobStore`, as far as what follows an upload uses it, on a dictionary."""

    def __init__(self, blobs: dict[str, Blob], wire: Wire) -> None:
        self._blobs, self._wire = blobs, wire

    async def put(self, key: str, data: bytes) -> None:
        """Store."""
        await self._through(lambda: self._blobs.__setitem__(key, Blob(data=data)))

    async def get(self, key: str) -> bytes:
        """Read."""
        blob = await self._through(lambda: self._blobs.get(key))
        if blob is None:
            raise BlobNotFoundError(f"There is no blob {key!r}.")
        return blob.data

    @asynccontextmanager
    async def local_file(self, key: str, scratch: Path) -> AsyncIterator[Path]:
        """A path that says what lies there, for a decoder that reads no files."""
        data = await self.get(key)
        yield scratch / data.decode()

    async def iterate(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """List."""
        for key, blob in await self._through(lambda: sorted(self._blobs.items())):
            if key.startswith(f"{prefix}/"):
                yield BlobInfo(key=key, size_bytes=len(blob.data), modified=blob.modified)

    async def delete(self, *keys: str) -> None:
        """Remove."""
        await self._through(lambda: [self._blobs.pop(key, None) for key in keys])

    async def _through(self, act: Callable[[], object]) -> object:
        return await self._wire.through(act, lambda: TransientError("away", code="storage_unavailable"))


def _no_broker() -> Exception:
    return BrokerUnavailableError("away")
