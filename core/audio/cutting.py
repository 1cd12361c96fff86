"""From decoded blocks to windows: the detector and the splitter over a stream, off the event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from core.audio.split import Piece, Splitter, Totals
from core.audio.vad import StreamingVad
from core.models import SAMPLE_RATE, CutPlan, Pcm

BLOCK_SAMPLES = 30 * SAMPLE_RATE  # what to ask the decoder for: larger blocks are not faster, smaller ones slower

Run = Callable[[Callable[[], Any]], Awaitable[Any]]  # runs a call in some executor and gives its result


class Cutter:
    """Cuts one audio. ``totals`` is final once :meth:`cut` has ended."""

    def __init__(self, plan: CutPlan, run: Run) -> None:
        self._splitter = Splitter(plan)
        self._run = run

    @property
    def totals(self) -> Totals:
        """Samples and speech seen so far."""
        return self._splitter.totals

    async def cut(self, blocks: AsyncIterator[Pcm]) -> AsyncGenerator[Piece, None]:
        """Every window as soon as it is final, in order. Decoding goes on while the detector works on a block."""
        vad: StreamingVad = await self._run(StreamingVad)
        async with aclosing(_read_ahead(blocks)) as ahead:
            async for block in ahead:
                for piece in await self._run(partial(self._digest, vad, block)):
                    yield piece
        for piece in await self._run(lambda: self._splitter.finish(vad.finish())):
            yield piece

    def _digest(self, vad: StreamingVad, block: Pcm) -> list[Piece]:
        return self._splitter.feed(block, vad.feed(block))


async def _read_ahead(blocks: AsyncIterator[Pcm]) -> AsyncGenerator[Pcm, None]:
    """The same blocks; the next one is being read while the caller works on this one."""
    # No TaskGroup: a group may not stay open across a yield.
    coming = asyncio.create_task(_next(blocks))
    try:
        while (block := await coming) is not None:
            coming = asyncio.create_task(_next(blocks))
            yield block
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _next(blocks: AsyncIterator[Pcm]) -> Pcm | None:
    return await anext(blocks, None)
