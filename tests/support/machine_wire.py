"""What lies between one process and the rest of the world, and what can go wrong there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from bson import Int64
from pymongo.errors import AutoReconnect

from core.adapters.mongo.announcing import NOW


class Fault(Enum):
    """What happens to one operation of a process, whichever comes next."""

    REFUSE = auto()  # nobody is there
    LOSE = auto()  # it is done, and the answer does not arrive
    PAUSE_BEFORE = auto()  # the process stands still, and goes on when it is resumed
    PAUSE_AFTER = auto()
    KILL_BEFORE = auto()
    KILL_AFTER = auto()


class Away:
    """Which of the servers cannot be reached by anybody, and whether decoders get on."""

    def __init__(self) -> None:
        self.database = False
        self.broker = False
        self.decoding = asyncio.Event()  # not set: every decoder has stopped in the middle of its file
        self.decoding.set()


@dataclass(kw_only=True)
class Wire:
    """One process's way to the database, the broker and the blobs."""

    name: str
    away: Away
    dead: bool = False
    orders: list[tuple[int, Fault]] = field(default_factory=list)  # after how many operations what happens
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """It goes on until it is paused."""
        self.open.set()

    @property
    def paused(self) -> bool:
        """Whether the process stands still."""
        return not self.open.is_set() and not self.dead

    async def through(self, act: Callable[[], Any], refusal: Callable[[], Exception], *, away: bool = False) -> Any:
        """Do one operation, whatever becomes of it. Others may go between any two."""
        await asyncio.sleep(0)
        fault = self._due()
        self._stop_at(fault, Fault.KILL_BEFORE, Fault.PAUSE_BEFORE)
        await self.alive()
        if away or fault is Fault.REFUSE:
            raise refusal()
        result = act()
        self._stop_at(fault, Fault.KILL_AFTER, Fault.PAUSE_AFTER)
        await self.alive()
        if fault is Fault.LOSE:
            raise refusal()
        return result

    async def alive(self) -> None:
        """Wait while paused. The dead do nothing more."""
        while not self.open.is_set() and not self.dead:
            await self.open.wait()
        if self.dead:
            raise asyncio.CancelledError

    def _stop_at(self, fault: Fault | None, kill: Fault, pause: Fault) -> None:
        if fault is kill:
            self.dead = True
        elif fault is pause:
            self.open.clear()

    def _due(self) -> Fault | None:
        due = [fault for left, fault in self.orders if left <= 0]
        self.orders = [(left - 1, fault) for left, fault in self.orders if left > 0]
        return due[0] if due else None


Watch = Callable[[str, str, Any], Any]  # process, collection and filter of a write; what is returned hears of its end


class WiredDatabase:
    """A real database as one process reaches it. ``clock``: seconds on the database's clock."""

    def __init__(self, database: Any, wire: Wire, clock: Callable[[], float], watch: Watch) -> None:
        self._database, self._wire, self._clock, self._watch = database, wire, clock, watch

    def __getitem__(self, name: str) -> "WiredCollection":
        return WiredCollection(self._database[name], self._wire, self._clock, self._watch)


class WiredCollection:
    """A collection of the driver's synchronous form behind the face of the other: an operation is one moment."""

    def __init__(self, collection: Any, wire: Wire, clock: Callable[[], float], watch: Watch) -> None:
        self._collection, self._wire, self._clock, self._watch = collection, wire, clock, watch

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation == "with_options":
            return lambda **options: self
        if operation == "find":
            return self._find

        def call(*values: Any, **options: Any) -> Any:
            return self._through(lambda: self._do(operation, values, options))

        return call

    def _do(self, operation: str, values: Any, options: Any) -> Any:
        values = self._dated(list(values))
        if not operation.startswith(("update", "find_one_and", "delete", "bulk")):
            result = getattr(self._collection, operation)(*values, **options)
            return WiredCursor(self, [result]) if operation == "aggregate" else result
        seen = self._watch(self._wire.name, self._collection.name, values)
        result = getattr(self._collection, operation)(*values, **options)
        seen()
        return result

    def _find(self, *values: Any, **options: Any) -> "WiredCursor":
        return WiredCursor(self, [self._collection.find(*self._dated(list(values)), **options)])

    async def _through(self, act: Callable[[], Any]) -> Any:
        return await self._wire.through(act, lambda: AutoReconnect("away"), away=self._wire.away.database)

    def _dated(self, value: Any) -> Any:
        """The database's clock is ours to move."""
        if value == NOW:
            return {"$literal": Int64(self._clock() * 1000)}
        if isinstance(value, dict):
            return {key: self._dated(part) for key, part in value.items()}
        return [self._dated(part) for part in value] if isinstance(value, list) else value


class WiredCursor:
    """What a find gives. It is read in one operation, when it is first asked."""

    def __init__(self, collection: WiredCollection, cursors: list[Any]) -> None:
        self._collection, (self._cursor,) = collection, cursors
        self._read: Any = None

    def __getattr__(self, operation: str) -> Callable[..., "WiredCursor"]:
        def call(*values: Any) -> WiredCursor:
            self._cursor = getattr(self._cursor, operation)(*values)
            return self

        return call

    async def to_list(self, length: int | None = None) -> list[Any]:
        """All, or a page."""
        if self._read is None:
            self._read = await self._collection._through(lambda: list(self._cursor))
        page, self._read = (self._read, []) if length is None else (self._read[:length], self._read[length:])
        return page

    async def __aiter__(self) -> Any:
        for document in await self.to_list():
            yield document
