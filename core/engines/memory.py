"""Batches as large as memory has room for: what does not fit is done in halves, and so is what comes after it."""

from collections.abc import Callable, Iterable, Iterator
from operator import length_hint
from typing import Generic, TypeVar

import structlog

from core.errors import EngineMemoryError

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")
_SIGNS = ("out of memory", "alloc_failed", "bad_alloc")  # as CUDA, cuBLAS and C++ put it


class _Tape(Generic[Item]):
    """Items as they come. Those that came can be had again: ``at`` is the place of the next one."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._source = iter(items)
        self._come: list[Item] = []
        self.at = 0

    def next(self) -> Item:
        """Raises ``StopIteration`` at the end."""
        if self.at == len(self._come):
            self._come.append(next(self._source))
        self.at += 1
        return self._come[self.at - 1]

    def goes_on(self) -> bool:
        """Whether there is one more; waits for it where the source does."""
        try:
            self.next()
        except StopIteration:
            return False
        self.at -= 1
        return True

    @property
    def most(self) -> int:
        """How many are left, unless the source ends sooner."""
        return len(self._come) - self.at + length_hint(self._source)


class Part(Iterator[Item]):
    """What is done in one go: each item comes when it is asked for. ``taken``: those that have come;
    ``operator.length_hint`` says how many more do at most."""

    def __init__(self, tape: _Tape[Item], most: int | None) -> None:
        self._tape = tape
        self.room = min(tape.most, most or tape.most)
        self.taken: list[Item] = []

    def __next__(self) -> Item:
        if len(self.taken) == self.room:
            raise StopIteration
        self.taken.append(self._tape.next())
        return self.taken[-1]

    def __length_hint__(self) -> int:
        return self.room - len(self.taken)


class Halving:
    """What a device took in one go so far. Used by all slots: a size that failed once is not tried again."""

    def __init__(self) -> None:
        self._most: int | None = None

    def run(self, work: Callable[[Part[Item]], list[Result]], items: Iterable[Item]) -> list[Result]:
        """One result for each item; ``work`` takes all of its part. Raises ``EngineMemoryError`` where a single item
        does not fit."""
        done: list[Result] = []
        tape = _Tape(items)
        while tape.goes_on():
            part = Part(tape, self._most)
            try:
                done += work(part)
                assert part.taken, "the work left all of its part"  # else it would be asked for ever
            except (RuntimeError, MemoryError) as error:
                if not is_exhausted(error):
                    raise
                tape.at = len(done)
                self._halve(part, error)
        return done

    def _halve(self, part: Part[Item], error: Exception) -> None:
        """Of what was taken: fewer may come than there is room for. Some ask for the room before they take anything."""
        if part.room == 1:
            what = "There is not enough memory for a single window"
            raise EngineMemoryError(f"{what} ({error}). Use a smaller model, or DEVICE=cpu.") from error
        size = len(part.taken) or part.room
        self._most = max(1, min(size // 2, self._most or size))
        log.warning("memory does not suffice, smaller batches from now on", windows=size, most=self._most)


def is_exhausted(error: Exception) -> bool:
    """Whether memory was refused; libraries tell of that in words only."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in _SIGNS)
