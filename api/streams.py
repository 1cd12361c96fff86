"""Answers that are written while they are read from the database."""

from collections.abc import AsyncIterator

from api.views import chunk_body
from core.models import Chunk

BLOCK_CHARACTERS = 16_384


async def primed(parts: AsyncIterator[str]) -> AsyncIterator[str]:
    """The same parts, the first one read already: what fails at the start can still be answered with a status.

    What fails later cannot. The connection then ends without the last chunk, which clients report as incomplete.
    """
    first = await anext(parts, "")
    return _after(first, parts)


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for part in rest:
        yield part


async def chunks_json(chunks: AsyncIterator[Chunk]) -> AsyncIterator[str]:
    """``{"chunks": [...]}`` in blocks: a day of audio has about 3,000."""
    block, separator = '{"chunks":[', ""
    async for chunk in chunks:
        block += separator + chunk_body(chunk).model_dump_json()
        separator = ","
        if len(block) >= BLOCK_CHARACTERS:
            yield block
            block = ""
    yield block + "]}"
