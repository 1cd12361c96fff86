"""Messages that are lost while others flow: their queue is never empty."""

from collections import Counter
from types import SimpleNamespace

import pytest

from core.config import Settings
from core.models import Task
from core.ports import Message, Queue
from worker.lost import MOST_OVERTAKEN, OVERTAKEN, LostWork

LOST_SECONDS = 20.0
LONG = OVERTAKEN * LOST_SECONDS


class Flow:
    """A worker among some, and a broker in which something always waits. ``pass_``: all that is announced then."""

    def __init__(self, *, workers: int = 1, volatile: bool = False) -> None:
        self.now, self.sent = 0.0, list[Message]()
        self._open: set[str] = set()
        self._workers = [f"w{number}" for number in range(workers)]
        context = SimpleNamespace(
            settings=Settings(_env_file=None, lost_seconds=LOST_SECONDS),
            resources=SimpleNamespace(broker=SimpleNamespace(volatile=volatile, ready=self._ready)),
            credit=SimpleNamespace(herald=SimpleNamespace(obstacle=self._none, send=self._send)),
            worker_id="w0",
            clock=lambda: self.now,
        )
        self.lost = LostWork(context, SimpleNamespace(chunks=set(), tasks=set()))

    async def pass_(self, *names: str, after: float = 0.0, ended: tuple[str, ...] = ()) -> list[str]:
        """The tasks that are sent again, when so many seconds have gone by. Who is missing was taken, or ``ended``."""
        self.now += after
        self.sent.clear()
        self.lost.begin(self._workers)
        for name in names:
            self.lost.task(_task(name))
        self._open = (self._open | set(names)) - set(ended)
        for name in self._open:
            self.lost.unfinished(_task(name))
        await self.lost.end()
        return [message.task_id for message in self.sent]

    async def _ready(self, _: Queue) -> int:
        return 1

    async def _none(self) -> None:
        return None

    async def _send(self, _: Queue, messages: list[Message]) -> int:
        self.sent += messages
        return len(messages)


def _task(name: str) -> Task:
    return SimpleNamespace(id=name, fence=0)


def many(count: int, name: str = "lost") -> list[str]:
    """Names in order."""
    return [f"{name}-{number:03d}" for number in range(count)]


@pytest.mark.parametrize("volatile", [False, True])
async def test_what_much_later_ones_overtook_is_sent_again(volatile):
    """It would wait for as long as the others flow. Not yet where what overtook it came soon after it."""
    flow = Flow(volatile=volatile)
    if volatile:
        await flow.pass_()  # the first pass sends all
    assert await flow.pass_("lost") == []
    assert await flow.pass_("lost", "soon", after=LONG - 1) == []
    assert await flow.pass_("lost", after=LONG) == []
    assert await flow.pass_("lost", "late") == []
    assert await flow.pass_("lost", "next", after=5) == ["lost"]


async def test_what_was_cancelled_overtook_nothing():
    """Nor what ended in any other way while nobody looked: nobody took it before the others."""
    flow = Flow()
    assert await flow.pass_("first") == []
    assert await flow.pass_("first", "cancelled", after=LONG) == []
    assert await flow.pass_("first", after=5, ended=("cancelled",)) == []
    assert await flow.pass_("first", after=LONG) == []


async def test_a_backlog_that_is_taken_in_its_order_is_never_doubled():
    """However long it is, and for however long it waits."""
    flow, waiting, sent = Flow(), many(300), Counter()
    for coming in many(600, "new"):
        sent.update(await flow.pass_(*waiting, after=LONG))
        waiting = [*waiting[1:], coming]
    assert not sent


async def test_few_are_sent_at_once_and_none_again_before_it_is_overtaken_anew():
    """Those first that wait for longest; what is sent again goes to the queue's end and has its time from there."""
    flow, lost = Flow(), many(3 * MOST_OVERTAKEN)
    for known in range(len(lost)):
        await flow.pass_(*lost[: known + 1], after=1)
    await flow.pass_(*lost, "late", after=LONG)
    sent = [await flow.pass_(*lost, after=5) for _ in range(4)]
    assert sent == [lost[:MOST_OVERTAKEN], lost[MOST_OVERTAKEN:-MOST_OVERTAKEN], lost[-MOST_OVERTAKEN:], []]
    await flow.pass_(*lost, "soon", after=LONG / 2)
    assert await flow.pass_(*lost, after=LONG) == []


async def test_others_wait_twice_as_long_for_the_one_who_answers():
    """Each message once from one worker, as long as that one lives."""
    flow, tasks = Flow(workers=2), many(8)
    await flow.pass_(*tasks)
    ours = [name for name in tasks if flow.lost.is_ours(name)]
    await flow.pass_(*tasks, "late", after=LONG)
    assert await flow.pass_(*tasks, after=5) == ours
    await flow.pass_(*tasks, "later", after=LONG - 5)
    sent = await flow.pass_(*tasks, after=5)
    assert 0 < len(ours) < len(tasks)
    assert set(sent) >= set(tasks) - set(ours)
