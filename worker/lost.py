"""Messages that were lost: sent again, or, while the broker is away, taken as if they had come.

Every worker looks for them, and each answers for its own share of the tasks, so that a message is not sent once by each
of them; the others wait twice as long (counted since the broker was there) in case the one who answers does not. A
message counts as lost when nobody has taken it for a while and its queue is empty. One that waits in another worker is
sent again with the rest; whoever comes second finds the work taken.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from core.errors import BrokerUnavailableError
from core.models import Task
from core.ports import Message, Queue
from worker.context import Context
from worker.hands import Hands
from worker.liveness import Observer
from worker.prepare import SHORT_FILES

log = structlog.get_logger()

MOST_TASKS = 500  # sent again in one pass: a backlog after an outage is with the workers within some passes


@dataclass(frozen=True, kw_only=True, slots=True)
class DirectDelivery:
    """Work that no message brought. There is nothing to settle: what is not done is found by the next pass."""

    message: Message

    async def ack(self) -> None:
        """Nobody waits for it."""

    async def requeue(self) -> None:
        """It is in no queue."""


class LostWork:
    """What one pass of the sweeper finds announced and untaken."""

    def __init__(self, context: Context, hands: Hands) -> None:
        self._context = context
        self._broker = context.resources.broker
        self._herald = context.credit.herald
        self._hands = hands
        self._workers: list[str] = []
        self._found: dict[Queue, list[tuple[Message, float]]] = {}
        self._first_pass = True
        self._observer = Observer(context.clock)
        self._there_since = context.clock()
        self.away = False  # whether the last pass found no broker

    def begin(self, listed: Iterable[str]) -> None:
        """A new pass, with these workers alive."""
        self._workers = sorted({*listed, self._context.worker_id})
        self._found = {queue: [] for queue in Queue}

    def forget(self) -> None:
        """Who could not look cannot say that nothing moved."""
        self._observer = Observer(self._context.clock)

    def task(self, task: Task) -> None:
        """This task is announced, and nobody prepares it."""
        if task.id not in self._hands.tasks:
            self._note(Queue.TASKS, Message(task_id=task.id), task.fence)

    def chunks(self, task: Task, announced: Iterable[int]) -> None:
        """The task's chunks that are announced, and that nobody has claimed."""
        held = self._hands.chunks
        for index in sorted(announced):
            if (task.id, index) not in held:
                self._note(Queue.CHUNKS, Message(task_id=task.id, chunk=index), index)

    def is_ours(self, name: str) -> bool:
        """Whether this worker answers for the task (or whatever else has this name)."""
        share = self._workers[zlib.crc32(name.encode()) % len(self._workers)]
        return self._broker.volatile or share == self._context.worker_id

    async def end(self) -> None:
        """Send again what is lost; or, with the broker away, take of what was found as much as there is room for."""
        self._observer.forget_all_but(message for found in self._found.values() for message, _ in found)
        reason = await self._herald.obstacle()
        try:
            for queue in Queue if reason is None else ():
                await self._send_again(queue)
        except BrokerUnavailableError as error:
            reason = error.message
        self.away = reason is not None
        if reason is not None:
            self._there_since = self._context.clock()
            log.warning("broker away, taking work without it", why=reason)
            await self._take()
        self._first_pass = False

    # --- the broker is there

    def _note(self, queue: Queue, message: Message, state: object) -> None:
        self._found[queue].append((message, self._observer.unchanged_for(message, state)))

    async def _send_again(self, queue: Queue) -> None:
        lost = [message for message, seconds in self._found[queue] if self._is_lost(message, seconds)]
        lost = lost[: await self._room(queue)] if lost else []
        sent = await self._herald.send(queue, lost)
        for message in lost[:sent]:
            self._observer.forget(message)  # it may take its time again

    def _is_lost(self, message: Message, seconds: float) -> bool:
        """A volatile broker's messages died with the process that had them: what we do not hold is soon called lost."""
        settings = self._context.settings
        if self._broker.volatile:
            return self._first_pass or seconds >= 2 * settings.sweep_seconds
        there = self._context.clock() - self._there_since
        ours = self.is_ours(message.task_id)
        return seconds >= settings.lost_seconds if ours else min(seconds, there) >= 2 * settings.lost_seconds

    async def _room(self, queue: Queue) -> int:
        """How many may be sent. Where some still wait nobody knows which: none, until they are taken."""
        if self._broker.volatile and queue is Queue.CHUNKS:
            return len(self._found[queue])
        if await self._broker.ready(queue):
            return 0
        if queue is Queue.CHUNKS:
            return len(self._found[queue])
        return self._task_places if self._broker.volatile else MOST_TASKS

    # --- the broker is away

    @property
    def _task_places(self) -> int:
        return self._context.settings.max_concurrent_jobs + SHORT_FILES

    async def _take(self) -> None:
        """As a message would bring it. Our own share first: the others take theirs, and few are taken twice."""
        intake = self._hands.intake
        tasks = self._task_places - len(self._hands.tasks)
        chunks = 2 * self._context.settings.slots * intake.sizes.most - len(intake)
        for message in self._ours_first(Queue.TASKS, tasks):
            await self._hands.prepare(DirectDelivery(message=message))
        for message in self._ours_first(Queue.CHUNKS, chunks):
            await self._hands.arrive(DirectDelivery(message=message))

    def _ours_first(self, queue: Queue, most: int) -> list[Message]:
        found = [message for message, _ in self._found[queue]]
        return sorted(found, key=lambda message: not self.is_ours(_name(message)))[: max(0, most)]


def _name(message: Message) -> str:
    """Chunks are shared out one by one, tasks as a whole."""
    return message.task_id if message.chunk is None else f"{message.task_id}:{message.chunk}"
