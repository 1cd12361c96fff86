"""At most so many tasks are decoded and cut at the same time; the others take turns with them, a block at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Turns:
    """A fixed number of places, handed on in the order of asking."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator["Turn"]:
        """Hold a place for the block, but for the moments in which it is passed on."""
        turn = Turn(self)
        await self.acquire()
        turn.held = True
        try:
            yield turn
        finally:
            if turn.held:
                self._places.release()

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for a place."""
        return self._waiting > 0

    async def acquire(self) -> None:
        """Wait for a place."""
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    def release(self) -> None:
        """Give a place up."""
        self._places.release()


class Turn:
    """A place held."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.held = False
        self._resting = False

    async def pass_on(self) -> None:
        """Go to the end of the line if anybody waits, so that a short file need not wait for a long one."""
        if self._turns.wanted:
            self._give_up()
        if not self.held:
            await self._turns.acquire()
            self.held = True
        if self._resting:  # meanwhile
            self._give_up()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Others have the place while the block lasts, and until the next look at whether it is to be passed on."""
        self._resting = True
        self._give_up()
        try:
            yield
        finally:
            self._resting = False

    def _give_up(self) -> None:
        if self.held:
            self.held = False
            self._turns.release()
