"""The two JSON formats, streamed in one pass.

What comes later in the object than it comes in the transcript (gaps, words, text) waits in a :class:`Spool`. A second
pass over the chunks would not do: while a task runs, it would see other chunks done than the first.
"""

import json
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

from core.languages import has_spaces, language_name
from core.models import SAMPLE_RATE, Coverage, Word
from core.transcript.pieces import Gap, Piece, TranscriptHeader, TranscriptSegment
from core.transcript.spool import Spool

_SEEK_SAMPLES = SAMPLE_RATE // 100  # Whisper counts `seek` in frames of 10 ms


async def render_json(header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """What the transcript is and its text in one line; the gaps follow it."""
    gaps, text = _Array(), _RunningText(header)
    yield _opened(_about(header)) + ', "text": "'
    async for piece in pieces:
        if isinstance(piece, Gap):
            gaps.add(_gap(piece))
        else:
            yield _escaped(text.add(piece))
    yield '", "gaps": ['
    for part in gaps.read():
        yield part
    yield "]}\n"


async def render_verbose_json(header: TranscriptHeader, pieces: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """OpenAI's ``verbose_json`` with gaps and coverage added; ``segments`` comes before the other long fields."""
    spools = _Spools(header)
    yield _opened(_about_verbose(header)) + ', "segments": ['
    count = 0
    async for piece in pieces:
        if isinstance(piece, Gap):
            spools.gaps.add(_gap(piece))
        else:
            yield (", " if count else "") + _dumped(_segment(count, piece))
            spools.add(piece)
            count += 1
    yield "]"
    for part in spools.read():
        yield part


class _Array:
    """A JSON array's items, waiting."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._separator = ""

    def add(self, item: dict[str, Any]) -> None:
        self._spool.write(self._separator + _dumped(item))
        self._separator = ", "

    def read(self) -> Iterator[str]:
        """All items, between the brackets that the caller writes."""
        return self._spool.read()


class _RunningText:
    """Puts segments together as one text, with one space between them where the language has spaces."""

    def __init__(self, header: TranscriptHeader) -> None:
        self._space = " " if has_spaces(header.text_language) else ""
        self._begun = False

    def add(self, segment: TranscriptSegment) -> str:
        """The next part of the text."""
        text = segment.text.strip()
        part = self._space + text if self._begun and text else text
        self._begun = self._begun or bool(text)
        return part


class _Spools:
    """What follows the segments of ``verbose_json``."""

    def __init__(self, header: TranscriptHeader) -> None:
        self.gaps = _Array()
        self._words = _Array() if header.word_timestamps else None
        self._running = _RunningText(header)
        self._text = Spool()

    def add(self, segment: TranscriptSegment) -> None:
        self._text.write(_escaped(self._running.add(segment)))
        if self._words is not None:
            for word in segment.words:
                self._words.add(_word(word))

    def read(self) -> Iterator[str]:
        """The rest of the object."""
        if self._words is not None:
            yield ', "words": ['
            yield from self._words.read()
            yield "]"
        yield ', "gaps": ['
        yield from self.gaps.read()
        yield '], "text": "'
        yield from self._text.read()
        yield '"}\n'


def _about(header: TranscriptHeader) -> dict[str, Any]:
    return {
        "task_id": header.task_id,
        "status": header.status.value,
        "complete": header.complete,
        "task": header.task,
        "model": header.model,
        "language": header.language,
        "duration": header.duration_seconds,
        "coverage": _coverage(header.coverage),
    }


def _about_verbose(header: TranscriptHeader) -> dict[str, Any]:
    return _about(header) | {"language": header.language and language_name(header.language)}


def _coverage(coverage: Coverage) -> dict[str, float]:
    return {
        "transcribed_seconds": coverage.transcribed_samples / SAMPLE_RATE,
        "silent_seconds": coverage.silent_samples / SAMPLE_RATE,
        "failed_seconds": coverage.failed_samples / SAMPLE_RATE,
    }


def _segment(number: int, segment: TranscriptSegment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": segment.seek_samples // _SEEK_SAMPLES,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": _number(segment.avg_logprob),
        "compression_ratio": _number(segment.compression_ratio),
        "no_speech_prob": _number(segment.no_speech_prob),
    }


def _number(value: float) -> float | None:
    """JSON has neither infinity nor NaN, which a degenerate window can have for a figure."""
    return value if math.isfinite(value) else None


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}


def _gap(gap: Gap) -> dict[str, Any]:
    return {"start": round(gap.start, 3), "end": round(gap.end, 3), "reason": gap.reason}


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _opened(value: dict[str, Any]) -> str:
    """An object that goes on: without its closing brace."""
    return _dumped(value)[:-1]


def _escaped(text: str) -> str:
    """The inside of a JSON string."""
    return _dumped(text)[1:-1]
