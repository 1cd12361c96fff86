"""Keeps one line to the broker open, for ever, and knows at any moment whether there is one."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar

import structlog

from core.adapters.rabbitmq.ending import Ending
from core.adapters.rabbitmq.pace import Pace
from core.cancelling import cancel_all
from core.errors import BrokerUnavailableError

log = structlog.get_logger()


class Line(Protocol):
    """A connection with what belongs to it."""

    ending: Ending


T = TypeVar("T", bound=Line)


class Keeper(Generic[T]):
    """Three states: a line is there; none is there, and why is known; nobody knows yet, since a try is under way."""

    def __init__(self, open_line: Callable[[], AbstractAsyncContextManager[T]], pace: Pace, purpose: str) -> None:
        self._open = open_line
        self._pace = pace
        self._purpose = purpose
        self._line: T | None = None
        self._trouble: str | None = None
        self._known, self._up = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, if that has not begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    async def get(self) -> T:
        """The line; waits while nobody knows. Raises ``BrokerUnavailableError`` at once where there is none."""
        self.start()
        while self._line is None:
            if self._trouble is not None:
                raise BrokerUnavailableError(self._trouble)
            await self._known.wait()
        return self._line

    async def up(self) -> T:
        """The line, however long that takes."""
        self.start()
        while self._line is None:
            await self._up.wait()
        return self._line

    async def known(self) -> None:
        """Returns once the first try has ended, either way."""
        self.start()
        await self._known.wait()

    @property
    def line(self) -> T | None:
        """The line, where there is one."""
        return self._line

    @property
    def trouble(self) -> str | None:
        """Why there is no line, in a sentence, where that is known."""
        return self._trouble

    def drop(self, line: T, reason: str) -> None:
        """It does not answer: open another, and until that is there tell everybody at once."""
        if line is self._line:
            self._away(reason)
        line.ending.bring(reason)

    async def close(self) -> None:
        """End the line and open no other."""
        if self._task is not None:
            await cancel_all([self._task], again_seconds=2 * self._pace.close)

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                lasted = await self._once()
                failures = 0 if lasted > self._pace.longest_delay else failures + 1
            except BrokerUnavailableError as error:
                self._away(error.message)
                failures += 1
            await asyncio.sleep(self._pace.delay(failures))

    async def _once(self) -> float:
        """One line from its opening to its end; how long it lasted."""
        async with self._open() as line:
            began = time.monotonic()
            self._have(line)
            try:
                reason = await line.ending.wait()
            finally:
                self._have_not()
            log.warning("connection to RabbitMQ lost", purpose=self._purpose, reason=reason)
        return time.monotonic() - began

    def _have(self, line: T) -> None:
        if self._trouble is not None:
            log.info("RabbitMQ is there again", purpose=self._purpose)
        self._line, self._trouble = line, None
        self._known.set()
        self._up.set()

    def _have_not(self) -> None:
        self._line = None
        self._up.clear()
        if self._trouble is None:
            self._known.clear()

    def _away(self, reason: str) -> None:
        if self._trouble != reason:
            log.warning("RabbitMQ cannot be used", purpose=self._purpose, reason=reason)
        self._line, self._trouble = None, reason
        self._up.clear()
        self._known.set()
