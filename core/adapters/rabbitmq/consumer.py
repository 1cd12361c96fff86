"""Keeps one queue consumed, whatever happens to channel, connection, queue and broker."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from core.adapters.rabbitmq.driver import QueueMissingError, RefusedError, driving
from core.adapters.rabbitmq.inspection import ConsumingLine
from core.adapters.rabbitmq.keeper import Keeper
from core.adapters.rabbitmq.pace import Pace
from core.adapters.rabbitmq.session import STALE, Session
from core.adapters.rabbitmq.topology import Topology
from core.cancelling import cancel_all
from core.errors import BrokerUnavailableError

log = structlog.get_logger()

REFUSALS = 3  # in a row, then it is not going to work
LEADERLESS = (
    "RabbitMQ answers, but does not let anybody consume {0}. If `rabbitmqctl list_queues name leader state` shows it "
    "without a leader, delete it: `rabbitmqctl delete_queue {0}`. Its messages are only wake-ups and come again."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What all consumers of a process share."""

    keeper: Keeper[ConsumingLine]
    topology: Topology
    pace: Pace
    watched: bool  # False in tests only
    give_up: Callable[[str], None]


class Consumer:
    """One session after the other, for ever."""

    def __init__(self, ground: Ground, queue: str, make_session: Callable[[], Session]) -> None:
        self._ground = ground
        self._queue = queue
        self._make_session = make_session
        self._session: Session | None = None
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Take no more. What was handed over can be settled until :meth:`close`."""
        session = self._session
        if session is not None:
            await session.stop()
        await self._cancel()
        if self._session is not None and self._session is not session:  # made anew meanwhile
            await self._session.close()

    async def close(self) -> None:
        """What is unsettled becomes ready again."""
        await self._cancel()
        if self._session is not None:
            await self._session.close()

    async def _cancel(self) -> None:
        await cancel_all([self._task])

    async def _run(self) -> None:
        refusals = failures = 0
        refusal = ""
        while refusals < REFUSALS:
            line = await self._ground.keeper.up()
            try:
                session = await self._open(line)
                refusals = failures = 0
                reason = await self._ended(line, session)
                await session.close()
                if reason == STALE:
                    continue
                log.warning("consuming anew", queue=self._queue, reason=reason)
                await asyncio.sleep(self._ground.pace.deleted)  # as ``Topology.declare_again``
            except RefusedError as error:
                refusals, refusal = refusals + 1, error.message
                log.error("cannot consume", queue=self._queue, reason=refusal, time=refusals)
            except BrokerUnavailableError as error:
                log.warning("cannot consume yet", queue=self._queue, reason=error.message)
            failures += 1
            await asyncio.sleep(self._ground.pace.delay(failures))
        self._ground.give_up(refusal)

    async def _open(self, line: ConsumingLine) -> Session:
        ground = self._ground
        session = self._session = self._make_session()
        try:
            await self._declare(line)
            with driving(f"consuming {self._queue}"):
                async with asyncio.timeout(ground.pace.connect):
                    await session.open(line.connection.channel(publisher_confirms=False), heed_cancel=ground.watched)
        except BrokerUnavailableError as error:
            await session.close()
            if isinstance(error.__cause__, TimeoutError) and not line.ending.reached:
                raise RefusedError(LEADERLESS.format(self._queue)) from error
            raise
        return session

    async def _declare(self, line: ConsumingLine) -> None:
        """A broker that does not even answer this is away."""
        try:
            with driving("declaring the queues"):
                async with asyncio.timeout(self._ground.pace.connect):
                    await self._ground.topology.declare(line.connection)
        except BrokerUnavailableError as error:
            if isinstance(error.__cause__, TimeoutError):
                self._ground.keeper.drop(line, error.message)
            raise

    async def _ended(self, line: ConsumingLine, session: Session) -> str:
        """Watch a session until it has to be replaced."""
        watching = asyncio.create_task(self._watch(line, session)) if self._ground.watched else None
        try:
            return await session.ending.wait()
        finally:
            if watching is not None:
                await cancel_all([watching])

    async def _watch(self, line: ConsumingLine, session: Session) -> None:
        """The broker may cancel a consumer, or lose its queue, without a word that reaches us."""
        pace = self._ground.pace
        while True:
            await asyncio.sleep(pace.watch)
            reason = None
            try:
                async with asyncio.timeout(pace.connect):
                    reason = session.deaf(await line.count(self._queue))
            except QueueMissingError:
                reason = "the queue is gone"
            except TimeoutError:
                self._ground.keeper.drop(line, "RabbitMQ does not answer.")
            except BrokerUnavailableError as error:
                reason = error.message
            if reason is not None:
                session.ending.bring(reason)
