"""A file's first windows: a slot begins with the first one, and its batch grows while that is heard."""

import asyncio
from collections.abc import Awaitable, Callable

from worker.batch import Batch, Work
from worker.intake import Arrival, Hand, Intake

LINGER_SECONDS = 0.25  # most files of two batches are cut by then: their end is known, and shared evenly
LOOK_SECONDS = 0.05

Bring = Callable[[list[Arrival]], Awaitable[list[Work]]]


async def grow(batch: Batch, hand: Hand, intake: Intake, bring: Bring) -> None:
    """Until it is full or closed. ``bring`` claims and loads what has arrived.

    Where the file's end is known it grows to its share at once. While more is being cut it takes nothing that another
    slot could begin with, until the engine will soon have nothing to hear.
    """
    while batch.missing:
        await asyncio.sleep(LOOK_SECONDS)
        late = batch.age >= LINGER_SECONDS
        if late and not batch.hungry:
            continue
        lacks = await intake.lacks(hand)
        if lacks == 0:
            batch.close()
        elif lacks is not None or late:
            await _add(batch, hand, intake, bring, lacks)


async def _add(batch: Batch, hand: Hand, intake: Intake, bring: Bring, lacks: int | None) -> None:
    with batch.expecting() as room:
        more = intake.add(hand, room if lacks is None else min(room, lacks))
        if more:
            batch.add(await bring(more))
