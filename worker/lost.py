"""Messages that were lost: sent again, or, while the broker is away, taken as if they had come.

Every worker looks for them, and each answers for its own share of the tasks, so that a message is not sent once by each
of them; the others wait twice as long (counted since the broker was there) in case the one who answers does not. A
message counts as lost when nobody has taken it for a while and its queue is empty. One that waits in another worker is
sent again with the rest; whoever comes second finds the work taken.

A queue may not be empty for hours. What is lost then is known by what overtakes it: where something was taken that was
announced much later, a few of those that it passed are sent again. A backlog that is taken in its order is never
doubled, however long it is; and what was sent again is the latest, so it is not sent at every pass.
"""

import math
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
OVERTAKEN = 10  # times the seconds after which a message is lost: so much later came what was taken before it
MOST_OVERTAKEN = 8  # sent again in one pass, those first that wait for longest


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
        self._found: dict[Queue, dict[Message, float]] = {queue: {} for queue in Queue}  # and since when
        self._before = self._found  # what the pass before this one has found
        self._newest_taken = dict.fromkeys(Queue, -math.inf)  # since when the latest was there that was taken
        self._open: set[str] = set()  # tasks that this pass has looked at
        self._first_pass = True
        self._observer = Observer(context.clock)
        self._there_since = context.clock()
        self.away = False  # whether the last pass found no broker

    def begin(self, listed: Iterable[str]) -> None:
        """A new pass, with these workers alive."""
        self._workers = sorted({*listed, self._context.worker_id})
        self._before, self._found = self._found, {queue: {} for queue in Queue}
        self._open = set()

    def forget(self) -> None:
        """Who could not look cannot say that nothing moved."""
        self._observer = Observer(self._context.clock)

    def unfinished(self, task: Task) -> None:
        """This task has not ended: what is not found of it any more was taken, not cancelled or left out."""
        self._open.add(task.id)

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
        self._observer.forget_all_but(message for found in self._found.values() for message in found)
        self._note_taken()
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
        seconds = self._observer.unchanged_for(message, state)
        self._found[queue][message] = self._context.clock() - seconds

    def _note_taken(self) -> None:
        """Of an open task what is found no more was taken. Without the broker that says nothing: there is no order."""
        for queue in () if self.away else Queue:
            gone = self._before[queue].keys() - self._found[queue].keys()
            taken = (self._before[queue][message] for message in gone if message.task_id in self._open)
            self._newest_taken[queue] = max(self._newest_taken[queue], *taken, -math.inf)

    async def _send_again(self, queue: Queue) -> None:
        lost = await self._due(queue)
        sent = await self._herald.send(queue, lost)
        for message in lost[:sent]:
            self._observer.forget(message)  # it may take its time again

    async def _due(self, queue: Queue) -> list[Message]:
        """What is lost, as much as may be sent. Where some still wait nobody knows which: those that are overtaken."""
        now = self._context.clock()
        lost = [message for message, since in self._found[queue].items() if self._is_lost(message, now - since)]
        if not lost or (self._broker.volatile and queue is Queue.CHUNKS):
            return lost
        if await self._broker.ready(queue):
            return self._overtaken(queue, lost)
        if queue is Queue.CHUNKS:
            return lost
        return lost[: self._task_places if self._broker.volatile else MOST_TASKS]

    def _is_lost(self, message: Message, seconds: float) -> bool:
        """A volatile broker's messages died with the process that had them: what we do not hold is soon called lost."""
        settings = self._context.settings
        if self._broker.volatile:
            return self._first_pass or seconds >= 2 * settings.sweep_seconds
        there = self._context.clock() - self._there_since
        counted = seconds if self.is_ours(message.task_id) else min(seconds, there)
        return counted >= self._patience(message)

    def _patience(self, message: Message) -> float:
        return self._context.settings.lost_seconds * (1 if self.is_ours(message.task_id) else 2)

    def _overtaken(self, queue: Queue, lost: list[Message]) -> list[Message]:
        since, newest = self._found[queue], self._newest_taken[queue]
        passed = [message for message in lost if newest - since[message] >= OVERTAKEN * self._patience(message)]
        return sorted(passed, key=since.__getitem__)[:MOST_OVERTAKEN]

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
        return sorted(self._found[queue], key=lambda message: not self.is_ours(_name(message)))[: max(0, most)]


def _name(message: Message) -> str:
    """Chunks are shared out one by one, tasks as a whole."""
    return message.task_id if message.chunk is None else f"{message.task_id}:{message.chunk}"
