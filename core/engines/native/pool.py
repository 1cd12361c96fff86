"""Working spaces that threads share: as many as can be of use at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Space = TypeVar("Space")


class Pool(Generic[Space]):
    """``most`` at the same time, each made when it is first needed and kept.

    With more threads than cores those that wait for one have no core anyway, and need no memory for it meanwhile.
    """

    def __init__(self, make: Callable[[], Space], most: int) -> None:
        self._make = make
        self._free: list[Space] = []
        self._places = threading.Semaphore(most)

    @contextmanager
    def one(self) -> Iterator[Space]:
        """One that nobody else has; waits for it. The last one that was used comes first: it is still in a cache."""
        with self._places:
            space = self._free.pop() if self._free else self._make()
            try:
                yield space
            finally:
                self._free.append(space)
