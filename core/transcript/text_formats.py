"""The formats that people read. Each tells in its own way where text is missing."""

from collections.abc import AsyncIterator

from core.languages import has_spaces
from core.transcript.cues import Cue, cues
from core.transcript.pieces import Gap, Piece, TranscriptHeader
from core.transcript.times import clock, milliseconds


async def render_text(header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """One segment per line, as Whisper's command line writes it."""
    del header
    async for piece in pieces:
        line = _marker(piece) if isinstance(piece, Gap) else _one_line(piece.text)
        if line:
            yield f"{line}\n"


async def render_tsv(header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """Start and end in milliseconds and the text, as Whisper's command line writes it. A gap is a row too."""
    del header
    yield "start\tend\ttext\n"
    async for piece in pieces:
        text = _marker(piece) if isinstance(piece, Gap) else _one_line(piece.text)
        if text:
            yield f"{milliseconds(piece.start)}\t{milliseconds(piece.end)}\t{text}\n"


async def render_srt(header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """SubRip. A gap is a cue, since the format has no comments."""
    number = 0
    async for piece in pieces:
        for cue in _gap_or_cues(piece, header):
            number += 1
            yield f"{number}\n{_srt_cue(cue)}\n"


async def render_vtt(header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """WebVTT (https://www.w3.org/TR/webvtt1/). A gap is a NOTE, which players do not show."""
    yield "WEBVTT\n\n"
    async for piece in pieces:
        if isinstance(piece, Gap):
            yield f"NOTE {_marker(piece)}\n\n"
        else:
            for cue in cues(piece, spaces=has_spaces(header.text_language)):
                yield _vtt_cue(cue)


def _gap_or_cues(piece: Piece, header: TranscriptHeader) -> list[Cue]:
    if isinstance(piece, Gap):
        return [Cue(start_ms=milliseconds(piece.start), end_ms=milliseconds(piece.end), lines=(_marker(piece),))]
    return list(cues(piece, spaces=has_spaces(header.text_language)))


def _srt_cue(cue: Cue) -> str:
    """SubRip has no way to escape the arrow that parsers look for, so a text's own arrow gets shorter."""
    text = "\n".join(line.replace("-->", "->") for line in cue.lines)
    return f"{clock(cue.start_ms, decimal=',')} --> {clock(cue.end_ms, decimal=',')}\n{text}\n"


def _vtt_cue(cue: Cue) -> str:
    text = "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
    return f"{clock(cue.start_ms)} --> {clock(cue.end_ms)}\n{text}\n\n"


def _marker(gap: Gap) -> str:
    return f"[{clock(milliseconds(gap.start))} - {clock(milliseconds(gap.end))} not transcribed: {gap.reason}]"


def _one_line(text: str) -> str:
    return " ".join(text.split())
