"""The seams at which one implementation can stand for another. Nothing else in the program is abstract."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from core.models import Language, Options, Window, WindowResult


class Queue(StrEnum):
    """The two kinds of work."""

    TASKS = "tasks"  # a task to prepare
    CHUNKS = "chunks"  # a chunk to transcribe


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A wake-up: which task, and for chunk work which of its chunks. Never the truth, which is in the database."""

    task_id: str
    chunk: int | None = None


class Delivery(Protocol):
    """One message in the hands of a consumer."""

    @property
    def message(self) -> Message:
        """What was published."""

    async def ack(self) -> None:
        """Done with: the database says what became of the work. Never raises: a lost ack only costs a redelivery."""

    async def requeue(self) -> None:
        """Give it back unhandled, for anybody."""


Handler = Callable[[Delivery], Awaitable[None]]


class Broker(Protocol):
    """Wake-ups, delivered at least once (or lost: the sweeper repairs that), in no promised order."""

    volatile: bool  # True: messages die with this process, so what was queued before a start is lost

    async def publish(self, queue: Queue, message: Message) -> None:
        """Hand over one message; returns when the broker has it. Raises ``BrokerUnavailableError`` after a deadline."""

    async def consume(self, queue: Queue, handler: Handler, *, prefetch: int) -> Callable[[], Awaitable[None]]:
        """Call ``handler`` for every message, with at most ``prefetch`` unsettled. Returns what stops it.

        The handler must return soon: it stores the delivery and settles it later, from anywhere on the same loop.
        If it raises, that is logged, the message is acknowledged, and the next one is delivered.
        """

    async def ready(self, queue: Queue) -> int:
        """How many messages wait undelivered."""

    async def check(self) -> str | None:
        """None where messages can be handed over now, else a sentence that says why not. Asks nobody: it is quick."""

    async def broken(self) -> None:
        """Returns only once consuming cannot be mended although the broker can be reached: the process should end."""

    async def close(self) -> None:
        """Stop all consumers; what is unsettled becomes ready again where the broker outlives us."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlobInfo:
    """What a listing tells of a blob."""

    key: str
    size_bytes: int
    modified: datetime


class BlobWriter(Protocol):
    """A blob being written. It exists under its key only after the ``async with`` ended without an error."""

    async def write(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        """Append. Raises ``StorageFullError``. ``beside`` is called with the same data off the loop, a hash as a rule.

        Who is cancelled here waits until no thread is at the data any more, unless cancelled again.
        """


class BlobStore(Protocol):
    """Bytes under keys like ``pcm/<task>/000001``. Writes are atomic: a reader sees all of a blob or none."""

    def writer(self, key: str) -> AbstractAsyncContextManager[BlobWriter]:
        """Stream a blob in, in constant memory; on an error inside the block nothing is left behind."""

    async def put(self, key: str, data: bytes) -> None:
        """Store a small blob at once."""

    async def get(self, key: str) -> bytes:
        """All of a blob. Raises ``BlobNotFoundError``."""

    def local_file(self, key: str, scratch: Path) -> AbstractAsyncContextManager[Path]:
        """The blob as a file while the block lasts: its own where it is one, else a copy in ``scratch``."""

    def iterate(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Every blob whose key starts with ``prefix`` (whole path segments)."""

    async def delete(self, *keys: str) -> None:
        """Remove blobs; those that are not there are no error."""

    async def check(self) -> None:
        """Try whether blobs can be kept here now. Raises a ``TransientError`` that says what is wrong."""


def never() -> bool:
    """The default of ``cancelled``: somebody always wants the result."""
    return False


class Engine(Protocol):
    """Turns windows into segments. One instance serves all slots of a process, from any thread."""

    def load(self) -> None:
        """Bring the model into memory, once; later calls return at once. Raises ``ModelNotFoundError``."""

    def detect_language(self, windows: Sequence[Window]) -> Language:
        """The language of the speech in up to three windows together."""

    def transcribe(
        self, windows: Iterable[Window], options: Options, cancelled: Callable[[], bool] = never
    ) -> list[WindowResult]:
        """One result per window, in order; ``options.language`` is set. Same text for a window alone or in a batch.

        A window is asked for when the engine is ready to hear it, so a batch may grow while it is heard;
        ``operator.length_hint`` of ``windows`` says how many there are at most.

        Looks at ``cancelled`` between its steps and raises ``EngineCancelledError`` when it is true.
        Raises ``EngineError`` when the batch failed and may be tried again.
        """
