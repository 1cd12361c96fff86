"""Batches as large as memory has room for: what does not fit is done in halves, and so is what comes after it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from core.errors import EngineMemoryError

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")
_SIGNS = ("out of memory", "alloc_failed", "bad_alloc")  # as CUDA, cuBLAS and C++ put it


class Halving:
    """What a device took in one go so far. Used by all slots: a size that failed once is not tried again."""

    def __init__(self) -> None:
        self._most: int | None = None

    def run(self, work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
        """One result for each item. Raises ``EngineMemoryError`` where a single one does not fit."""
        done: list[Result] = []
        while len(done) < len(items):
            part = items[len(done) :][: self._most]
            try:
                done += work(part)
            except (RuntimeError, MemoryError) as error:
                if not is_exhausted(error):
                    raise
                self._halve(len(part), error)
        return done

    def _halve(self, size: int, error: Exception) -> None:
        if size == 1:
            what = "There is not enough memory for a single window"
            raise EngineMemoryError(f"{what} ({error}). Use a smaller model, or DEVICE=cpu.") from error
        self._most = min(size // 2, self._most or size)
        log.warning("memory does not suffice, smaller batches from now on", windows=size, most=self._most)


def is_exhausted(error: Exception) -> bool:
    """Whether memory was refused; libraries tell of that in words only."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in _SIGNS)
