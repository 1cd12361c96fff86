"""How many chunk messages a task may have out, and the handing on of the next.

A task with few messages out leaves room for others, so tasks share the fleet whatever their length, and to stop handing
on is to cancel. The limit is twice what the fleet can hold in its slots: every slot finds its next batch waiting.
"""

import asyncio
from collections import OrderedDict

import structlog

from core.errors import BrokerUnavailableError
from core.flow.resources import Resources
from core.models import Task
from core.ports import Message, Queue

log = structlog.get_logger()

REMEMBERED = 1_000  # tasks


class Credits:
    """Hands on credits. Remembers per task from which index on to look; forgetting that only costs a few reads."""

    def __init__(self, resources: Resources) -> None:
        self._chunks = resources.chunks
        self._workers = resources.workers
        self._broker = resources.broker
        self._from: OrderedDict[str, int] = OrderedDict()
        self._counting = asyncio.Lock()  # two who count at once would both hand on the same credit

    async def limit(self, task: Task) -> int:
        """The most messages that the task may have out."""
        if task.max_parallel_workers is not None:
            return task.max_parallel_workers
        return 2 * max(1, sum(worker.slots * worker.batch for worker in await self._workers.all()))

    async def top_up(self, task: Task, *, cut: int) -> int:
        """Publish as many of the first ``cut`` chunks as the limit allows; how many.

        It counts what is out each time, so whatever went wrong before, too many or too few, is put right by the next.
        """
        async with self._counting:
            free = await self.limit(task) - await self._chunks.out(task.id)
            for published in range(free):
                if not await self._hand_on(task.id, cut):
                    return published
        return max(0, free)

    async def _hand_on(self, task_id: str, cut: int) -> bool:
        """Publish the task's next pending chunk; False where there is none."""
        index = await self._chunks.queue_next(task_id, self._from.get(task_id, 0), cut)
        if index is None:
            return False
        self._from[task_id] = index + 1
        self._from.move_to_end(task_id)
        if len(self._from) > REMEMBERED:
            self._from.popitem(last=False)
        await self._publish(task_id, index)
        return True

    async def has_more(self, task: Task) -> bool:
        """Whether chunks of the task are still to be announced, or still to be cut."""
        return not task.prepared or await self._chunks.has_pending(
            task.id, self._from.get(task.id, 0), task.chunks_total or 0
        )

    def look_again(self, task_id: str) -> None:
        """Chunks before the remembered index may be pending again."""
        self._from.pop(task_id, None)

    async def _publish(self, task_id: str, index: int) -> None:
        try:
            await self._broker.publish(Queue.CHUNKS, Message(task_id=task_id, chunk=index))
        except BrokerUnavailableError:
            log.warning("chunk not announced, the sweeper will", task_id=task_id, chunk=index)
