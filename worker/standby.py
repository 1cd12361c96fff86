"""What decoders are cloned from: started while the worker has nothing else to do, so that no file waits for it."""

import asyncio
from collections.abc import Callable

import structlog

from core.errors import DecoderUnavailableError
from worker.context import DecoderSource

log = structlog.get_logger()

LOOK_SECONDS, LONGEST_SECONDS = 0.5, 60.0  # between two looks; after failures twice as long each time, at most so long


async def stand_by(decoders: DecoderSource, at_work: Callable[[], bool]) -> None:
    """For ever; one that was killed is started again. One that cannot be started is not missed: a file that needs it
    then says what is wrong."""
    pause = LOOK_SECONDS
    while True:
        if not at_work():
            pause = LOOK_SECONDS if await _prepared(decoders) else min(2 * pause, LONGEST_SECONDS)
        await asyncio.sleep(pause)


async def _prepared(decoders: DecoderSource) -> bool:
    try:
        await decoders.prepare()
    except (OSError, DecoderUnavailableError) as error:
        log.warning("no decoder stands by", error=str(error))
        return False
    return True
