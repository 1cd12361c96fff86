"""A database that is away whenever a test says so, as the driver tells it."""

from collections.abc import Awaitable, Callable
from typing import Any

from pymongo.errors import AutoReconnect

from core.adapters.mongo import ChunkStore, TaskStore, WorkerStore


class Cable:
    """Stands between a store and its collection; ``cut`` says which operations find nobody there."""

    def __init__(self, store: ChunkStore | TaskStore | WorkerStore) -> None:
        self.cut: Callable[[str], bool] = lambda operation: False
        self.cut_after: Callable[[str], bool] = lambda operation: False  # done, and its answer lost
        (name,) = vars(store)  # each store has one collection and nothing else
        self._collection = getattr(store, name)
        setattr(store, name, self)

    def __getattr__(self, operation: str) -> Any:
        real = getattr(self._collection, operation)

        def call(*values: Any, **options: Any) -> Any:
            if self.cut(operation):
                raise AutoReconnect("away")
            return self._deaf(real(*values, **options)) if self.cut_after(operation) else real(*values, **options)

        return call

    def once(self, operation: str) -> None:
        """The next such operation finds nobody there."""
        self.cut = _first(operation)

    def once_done(self, operation: str) -> None:
        """The next such operation is done, and nobody hears of it."""
        self.cut_after = _first(operation)

    async def _deaf(self, operation: Awaitable[Any]) -> None:
        await operation
        raise AutoReconnect("the answer is lost")


def _first(operation: str) -> Callable[[str], bool]:
    left = [operation]
    return lambda name: bool(left) and name == operation and bool(left.pop())
