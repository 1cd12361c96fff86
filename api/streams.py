"""Answers that are written while they are read from the database."""

from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.views import chunk_body
from core.errors import NotFoundError
from core.models import Chunk, Task

BLOCK_CHARACTERS = 16_384

Part = TypeVar("Part")


async def streamed(
    request: Request, parts: AsyncIterator[str], media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Written while it is read; to a client of HTTP/1.0 at once, with its length.

    There the end of the connection is the end of the answer, so one that is cut short would look whole.
    """
    if request.scope["http_version"] == "1.0":
        text = "".join([part async for part in parts])
        return Response(text, media_type=media_type, headers=headers)
    return StreamingResponse(await primed(parts), media_type=media_type, headers=headers)


async def primed(parts: AsyncIterator[Part]) -> AsyncIterator[Part]:
    """The same parts, the first one read already: what fails at the start can still be answered with a status.

    What fails later cannot. The connection then ends without the last chunk, which clients report as incomplete.
    """
    try:
        first = [await anext(parts)]
    except StopAsyncIteration:
        first = []
    return _after(first, parts)


async def _after(first: list[Part], rest: AsyncIterator[Part]) -> AsyncIterator[Part]:
    for part in first:
        yield part
    async for part in rest:
        yield part


async def all_of(task: Task, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """The same chunks. Raises ``NotFoundError`` where some of a task that is cut have gone: then it was deleted."""
    count = 0
    async for chunk in chunks:
        count += 1
        yield chunk
    if task.chunks_total is not None and count < task.chunks_total:
        raise NotFoundError(f"Task {task.id} was deleted while it was read.")


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
