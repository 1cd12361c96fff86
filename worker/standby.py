"""A decoder that stands by: started while the worker has nothing else to do, so that no file waits for it."""

import asyncio
from collections.abc import Callable

import structlog

from core.errors import AudioError
from worker.context import DecoderSource

log = structlog.get_logger()

LOOK_SECONDS = 0.5


async def stand_by(decoders: DecoderSource, at_work: Callable[[], bool]) -> None:
    """For ever. One that cannot be started is not missed: a file that needs one then says what is wrong."""
    while True:
        if not at_work():
            try:
                await decoders.prepare()
            except (OSError, AudioError) as error:
                log.warning("no decoder stands by", error=str(error))
        await asyncio.sleep(LOOK_SECONDS)
