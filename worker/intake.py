"""Chunk deliveries in hand, and which of them a slot takes as its next batch, or into the one that it has begun.

Tasks take turns, so a task of one chunk is in the next batch however many chunks another has waiting. Chunks with equal
options may share a batch, whatever tasks they are of; only a task that has a whole batch waiting does not fill up those
of the others, who would have to wait for its windows too. At a file's end what is left is shared by the slots of all
workers so that they end together: :mod:`worker.shares`. Only part of it waits here: by that alone batches would shrink
long before the end.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

from core.models import Options
from core.ports import Delivery
from worker.batching import BatchSize
from worker.shares import Share, UnderWay, fair_share, fitting, largest_batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """Chunks of some tasks that nobody has begun: how many for ``each`` slot of all workers, and how long they are.

    ``samples``: by task and index; those that are not named are taken for as long as the others.
    """

    each: float
    samples: Mapping[tuple[str, int], int] = field(default_factory=dict)


Left = Callable[[list[str]], Awaitable[Rest | None]]  # of these tasks; None: more of them are to come


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One delivery of a chunk message, with the options of its task."""

    task_id: str
    index: int
    options: Options
    delivery: Delivery


@dataclass(kw_only=True, slots=True)
class Hand:
    """What a slot has taken. ``usual``: size of a batch when it did; ``most``: how many it may become."""

    arrivals: list[Arrival]
    usual: int
    most: int

    @property
    def tasks(self) -> list[str]:
        """Whose chunks they are."""
        return list(dict.fromkeys(arrival.task_id for arrival in self.arrivals))


class IntakeClosedError(Exception):
    """The worker is leaving: there is no next batch."""


class Intake:
    """Holds arrivals per task; slots take batches from it. ``sizes``: asked for the usual size at every batch."""

    def __init__(self, *, slots: int, sizes: BatchSize, left: Left) -> None:
        self._slots = slots
        self.sizes = sizes
        self._left = left
        self._waiting: OrderedDict[str, OrderedDict[int, Arrival]] = OrderedDict()  # next task to serve first
        self._arrived = asyncio.Condition()
        self._taking = asyncio.Lock()
        self._taken: set[tuple[str, int]] = set()
        self._closed = False
        self.under_way = UnderWay(slots)
        self._few_served = False  # whether the last batch was of tasks with few chunks waiting

    def __len__(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    @property
    def held(self) -> set[tuple[str, int]]:
        """Task and index of everything that waits here or is in a slot."""
        waiting = {(task_id, index) for task_id, line in self._waiting.items() for index in line}
        return waiting | self._taken

    def has_of(self, task_id: str) -> bool:
        """Whether anything of a task waits here or is in a slot."""
        return task_id in self._waiting or bool(self.taken(task_id))

    def taken(self, task_id: str) -> set[int]:
        """What slots have of a task, claimed or about to be."""
        return {index for owner, index in self._taken if owner == task_id}

    async def put(self, arrival: Arrival) -> None:
        """Take in a delivery; a second one for the same chunk is done with at once."""
        if self._closed:
            await arrival.delivery.requeue()
            return
        line = self._waiting.setdefault(arrival.task_id, OrderedDict())
        if arrival.index in line:
            await arrival.delivery.ack()
            return
        line[arrival.index] = arrival
        async with self._arrived:
            self._arrived.notify_all()

    async def take(self) -> Hand:
        """The next batch for a free slot, or the first of it; waits for an arrival. Slots queue up here.

        Chunks of a task arrive one after the other, so a file's first ones are fewer than its share.
        """
        async with self._taking:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._closed or len(self) > 0)
            if self._closed:
                raise IntakeClosedError
            usual = self.sizes.next(self._first_options())
            share = await self._fair_share(usual)
            if self._closed:  # meanwhile
                raise IntakeClosedError
            arrivals = self._pick(share, self._sitting_out(usual))
        # One that is short of its share grows, and to more than that where less would leave a crumb.
        most = share if len(arrivals) == share else largest_batch(usual)
        hand = Hand(arrivals=arrivals, usual=usual, most=most)
        self._taken.update((arrival.task_id, arrival.index) for arrival in hand.arrivals)
        self.under_way.begin(id(hand), len(hand.arrivals))
        return hand

    async def lacks(self, hand: Hand, waited: float = 0.0) -> int | None:
        """How many more it should have, by what is left of its tasks; None: more of them are to come.

        ``waited``: seconds that it has waited for windows so far.
        """
        self.under_way.waited(id(hand), waited)
        rest = await self._left(hand.tasks)
        if rest is None:
            return None
        waiting = sum(len(self._waiting.get(task_id, ())) for task_id in hand.tasks)
        share = self.under_way.lacks(id(hand), max(rest.each * self._slots, waiting), hand.usual)
        room = hand.most - len(hand.arrivals)
        self._prefer(hand.tasks, replace(share, windows=max(0, min(share.windows, room))), rest)
        return share.windows

    def add(self, hand: Hand, most: int) -> list[Arrival]:
        """So many more for it, of what waits of its own tasks, whose options are its own: others may have a slot of
        their own soon."""
        more = self._pick(most, self._waiting.keys() - set(hand.tasks))
        hand.arrivals += more
        self._taken.update((arrival.task_id, arrival.index) for arrival in more)
        self.under_way.grow(id(hand), len(more))
        return more

    def _first_options(self) -> Options:
        return next(iter(next(iter(self._waiting.values())).values())).options

    def done(self, hand: Hand) -> None:
        """A slot has ended with a batch."""
        self._taken.difference_update((arrival.task_id, arrival.index) for arrival in hand.arrivals)
        self.under_way.end(id(hand))

    async def close(self) -> list[Arrival]:
        """Give out no further batch. What waits is returned, to be given back."""
        self._closed = True
        everything = [arrival for line in self._waiting.values() for arrival in line.values()]
        self._waiting.clear()
        async with self._arrived:
            self._arrived.notify_all()
        return everything

    async def _fair_share(self, usual: int) -> int:
        """A full batch while there is more to come; else an even share of what is left."""
        if usual == 1 or len(self) > largest_batch(usual) * self._slots:
            return usual
        rest = await self._left(list(self._waiting))
        if rest is None:
            return usual
        share = fair_share(max(rest.each * self._slots, len(self)), self.under_way.others(), usual)
        self._prefer(list(self._waiting), share, rest)
        return share.windows

    def _prefer(self, tasks: list[str], share: Share, rest: Rest) -> None:
        """Put those first in line with which a slot ends when the others do, where only one task is concerned: several
        take turns, whatever the length of their windows."""
        line = self._waiting.get(tasks[0]) if len(tasks) == 1 else None
        if not line or not rest.samples:
            return
        usual = fmean(rest.samples.values())
        lengths = [rest.samples.get((tasks[0], index), usual) / usual for index in line]
        places = [*line]
        for place in reversed(fitting(lengths, share)):
            line.move_to_end(places[place], last=False)

    def _pick(self, size: int, passed_over: set[str]) -> list[Arrival]:
        batch: list[Arrival] = []
        while len(batch) < size and (task_id := self._next_task(passed_over)) is not None:
            line = self._waiting[task_id]
            index = next(iter(line))
            if batch and line[index].options != batch[0].options:
                passed_over.add(task_id)
                continue
            batch.append(line.pop(index))
            self._waiting.move_to_end(task_id)  # the others' turn
            if not line:
                del self._waiting[task_id]
        return batch

    def _sitting_out(self, usual: int) -> set[str]:
        """Tasks that are not in the next batch: those with a whole batch waiting, or all others. The two take turns."""
        crowds = {task_id for task_id, line in self._waiting.items() if len(line) >= usual}
        few = self._waiting.keys() - crowds
        crowds_turn = bool(crowds) and (self._few_served or not few)
        self._few_served = not crowds_turn
        return few if crowds_turn else crowds

    def _next_task(self, passed_over: set[str]) -> str | None:
        return next((task_id for task_id in self._waiting if task_id not in passed_over), None)
