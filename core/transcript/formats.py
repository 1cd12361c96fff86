"""A transcript in the format that was asked for, streamed in constant memory."""

from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum

from core.errors import InvalidRequestError
from core.transcript.json_formats import render_json, render_verbose_json
from core.transcript.pieces import Piece, TranscriptHeader
from core.transcript.text_formats import render_srt, render_text, render_tsv, render_vtt

_BLOCK_CHARACTERS = 16_384  # small strings are handed on together: each costs the server a write


class TranscriptFormat(StrEnum):
    """The names that clients use."""

    JSON = "json"
    VERBOSE_JSON = "verbose_json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    TSV = "tsv"


MEDIA_TYPES: Mapping[TranscriptFormat, str] = {
    TranscriptFormat.JSON: "application/json",
    TranscriptFormat.VERBOSE_JSON: "application/json",
    TranscriptFormat.TEXT: "text/plain; charset=utf-8",
    TranscriptFormat.SRT: "application/x-subrip; charset=utf-8",
    TranscriptFormat.VTT: "text/vtt; charset=utf-8",
    TranscriptFormat.TSV: "text/tab-separated-values; charset=utf-8",
}

_Renderer = Callable[[TranscriptHeader, AsyncIterator[Piece]], AsyncIterator[str]]
_RENDERERS: Mapping[TranscriptFormat, _Renderer] = {
    TranscriptFormat.JSON: render_json,
    TranscriptFormat.VERBOSE_JSON: render_verbose_json,
    TranscriptFormat.TEXT: render_text,
    TranscriptFormat.SRT: render_srt,
    TranscriptFormat.VTT: render_vtt,
    TranscriptFormat.TSV: render_tsv,
}


def parse_format(text: str) -> TranscriptFormat:
    """The format of that name, in any case. Raises ``InvalidRequestError`` with the code ``invalid_format``."""
    try:
        return TranscriptFormat(text.strip().lower())
    except ValueError:
        accepted = ", ".join(TranscriptFormat)
        message = f"The transcript format {text.strip()[:40]!r} is not known. Use one of: {accepted}."
        raise InvalidRequestError(message, code="invalid_format") from None


def render(format_name: str, header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """The whole transcript as text, block by block. Refuses an unknown format at once, as :func:`parse_format` does."""
    return _in_blocks(_RENDERERS[parse_format(format_name)](header, pieces))


async def _in_blocks(parts: AsyncIterator[str]) -> AsyncIterator[str]:
    """Larger strings, each of which can be encoded: half a surrogate pair becomes a question mark."""
    waiting: list[str] = []
    size = 0
    async for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _BLOCK_CHARACTERS:
            yield _encodable("".join(waiting))
            waiting, size = [], 0
    if waiting:
        yield _encodable("".join(waiting))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
