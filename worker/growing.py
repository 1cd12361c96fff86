"""A file's first windows: a slot begins with the first one, and its batch grows while that is heard."""

import asyncio
from collections.abc import Awaitable, Callable

from worker.batch import Batch, Work
from worker.intake import Arrival, Hand, Intake

LINGER_SECONDS = 0.25  # most files of two batches are cut by then: their end is known, and shared evenly
LOOK_SECONDS = 0.08  # each look is a question to the database
PATIENCE_SECONDS = 0.3  # since its begin, for which an engine with nothing left to hear waits for the next window

Bring = Callable[[list[Arrival]], Awaitable[list[Work]]]


async def grow(batch: Batch, hand: Hand, intake: Intake, bring: Bring) -> None:
    """Until it is full, closed or unwanted; then it is closed. ``bring`` claims and loads what has arrived.

    Where the file's end is known it grows to its share at once. While more is being cut it takes nothing that another
    slot could begin with, until the engine will soon have nothing to hear. It is closed by whoever has looked and found
    nothing: by the clock alone an engine could give up while somebody looks.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        while _may_grow(batch):
            await asyncio.sleep(_pause(clock() - began))
            age = clock() - began
            if _may_grow(batch) and (batch.hungry or age < LINGER_SECONDS):  # it may have ended, and its slot gone on
                await _look(batch, hand, intake, bring, age)
    finally:
        batch.close()


def _may_grow(batch: Batch) -> bool:
    return batch.missing > 0 and not batch.unwanted


def _pause(age: float) -> float:
    """One look comes exactly when it may first take what there is."""
    return LOOK_SECONDS if age >= LINGER_SECONDS else min(LOOK_SECONDS, LINGER_SECONDS - age)


async def _look(batch: Batch, hand: Hand, intake: Intake, bring: Bring, age: float) -> None:
    in_vain = batch.starving and age >= PATIENCE_SECONDS
    lacks = await intake.lacks(hand, batch.waited)
    if batch.unwanted or (lacks is None and age < LINGER_SECONDS):
        return
    wanted = min(batch.missing, hand.usual - len(batch.work) if lacks is None else lacks)
    more = intake.add(hand, wanted)
    if more:
        batch.add(await bring(more))
    if len(more) >= wanted or (in_vain and not more):
        batch.close()
