"""Sending wake-ups. A broker that is away costs one deadline and not one for each: the sweepers send them later."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

import structlog

from core.errors import BrokerUnavailableError
from core.ports import Broker, Message, Queue

log = structlog.get_logger()

AT_ONCE = 50  # messages whose confirms are awaited together
QUIET_SECONDS = 5.0  # after a failure nothing is sent: a broker that hangs would take its deadline each time


class Herald:
    """Sends to one broker, and for a while not at all after it failed."""

    def __init__(
        self, broker: Broker, *, quiet_seconds: float = QUIET_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._quiet_until = -math.inf

    async def obstacle(self) -> str | None:
        """None where it is worth trying to send; else why not."""
        if self._clock() < self._quiet_until:
            return "The broker did not take a message a moment ago."
        return await self._broker.check()

    async def send(self, queue: Queue, messages: Sequence[Message]) -> int:
        """Send these; how many the broker has. It stops at the first failure, and what was not sent is not lost."""
        sent = 0
        reason = await self.obstacle() if messages else None
        while reason is None and sent < len(messages):
            reason = await self._send(queue, messages[sent : sent + AT_ONCE])
            sent += 0 if reason else len(messages[sent : sent + AT_ONCE])
        if reason is not None:
            log.warning("not announced, the sweeper will", queue=queue.value, messages=len(messages) - sent, why=reason)
        return sent

    async def _send(self, queue: Queue, messages: Sequence[Message]) -> str | None:
        sending = (self._broker.publish(queue, message) for message in messages)
        failures = [one for one in await asyncio.gather(*sending, return_exceptions=True) if one is not None]
        for failure in failures:
            if not isinstance(failure, BrokerUnavailableError):
                raise failure
        if not failures:
            return None
        self._quiet_until = self._clock() + self._quiet_seconds
        return str(failures[0])
