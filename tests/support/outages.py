"""A database that is away whenever a test says so, as the driver tells it."""

from collections.abc import Callable
from typing import Any

from pymongo.errors import AutoReconnect

from core.adapters.mongo import ChunkStore, TaskStore, WorkerStore


class Cable:
    """Stands between a store and its collection; ``cut`` says which operations find nobody there."""

    def __init__(self, store: ChunkStore | TaskStore | WorkerStore) -> None:
        self.cut: Callable[[str], bool] = lambda operation: False
        (name,) = vars(store)  # each store has one collection and nothing else
        self._collection = getattr(store, name)
        setattr(store, name, self)

    def __getattr__(self, operation: str) -> Any:
        real = getattr(self._collection, operation)

        def call(*values: Any, **options: Any) -> Any:
            if self.cut(operation):
                raise AutoReconnect("away")
            return real(*values, **options)

        return call

    def once(self, operation: str) -> None:
        """The next such operation finds nobody there."""
        left = [operation]
        self.cut = lambda name: bool(left) and name == operation and bool(left.pop())
