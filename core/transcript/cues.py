"""Segments as subtitles: at most two lines of 42 columns and seven seconds each, cut between words.

The figures are those of common subtitling guides; a full-width character takes two columns.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.models import Word
from core.transcript.pieces import TranscriptSegment, spread
from core.transcript.times import milliseconds

LINE_COLUMNS = 42
LINES = 2
LONGEST_MS = 7000
_CLAUSE_ENDS = tuple(".?!,;:…。！？、，；：")  # noqa: RUF001 - full-width marks are meant


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """What is shown at one time; no line is empty or holds a line break."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Unit:
    """What is never torn apart: a word with the marks that cling to it. ``text`` keeps its leading space."""

    start: float
    end: float
    text: str


def cues(segment: TranscriptSegment, *, spaces: bool) -> Iterator[Cue]:
    """One segment as subtitles. ``spaces``: whether its language has spaces between words, where lines may break."""
    units = _units(segment, spaces=spaces)
    while units:
        count = _fitting(units)
        if count < len(units):
            count = _clause_end(units, count)
        yield _cue(units[:count])
        units = units[count:]


def _cue(units: Sequence[_Unit]) -> Cue:
    start = milliseconds(units[0].start)
    end = min(max(milliseconds(units[-1].end), start + 1), start + LONGEST_MS)
    return Cue(start_ms=start, end_ms=end, lines=tuple(_wrapped(units)))


def _fitting(units: Sequence[_Unit]) -> int:
    """How many units one cue holds, at least one."""
    lines = 1
    line = ""
    for count, unit in enumerate(units):
        if count and unit.end - units[0].start > LONGEST_MS / 1000:
            return count
        line, is_new = _extended(line, unit)
        lines += is_new
        if lines > LINES:
            return count
    return len(units)


def _clause_end(units: Sequence[_Unit], count: int) -> int:
    """A better place to stop than after ``count`` units: the last end of a clause in the second half of them."""
    ends = [i for i in range(count, count // 2, -1) if units[i - 1].text.endswith(_CLAUSE_ENDS)]
    return ends[0] if ends else count


def _wrapped(units: Sequence[_Unit]) -> Iterator[str]:
    line = ""
    for unit in units:
        longer, is_new = _extended(line, unit)
        if is_new:
            yield line
        line = longer
    yield line


def _extended(line: str, unit: _Unit) -> tuple[str, bool]:
    """The line with one unit more, or a new line with that unit alone (and True) where it is full."""
    longer = (line + unit.text).strip()
    if line and columns(longer) > LINE_COLUMNS:
        return unit.text.strip(), True
    return longer, False


def columns(text: str) -> int:
    """How wide a text is shown."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _units(segment: TranscriptSegment, *, spaces: bool) -> list[_Unit]:
    words = segment.words or spread(segment.text, segment.start, segment.end)
    units: list[_Unit] = []
    for part in (part for word in words for part in _chopped(_one_line(word))):
        if units and _clings(part.text, spaces=spaces) and columns(units[-1].text + part.text) <= LINE_COLUMNS:
            units[-1] = _Unit(start=units[-1].start, end=part.end, text=units[-1].text + part.text)
        elif part.text.strip():
            units.append(_Unit(start=part.start, end=part.end, text=part.text))
    return units


def _one_line(word: Word) -> Word:
    """The word with every run of white space as one space: a line break would end the cue."""
    lead = " " if word.text[:1].isspace() else ""
    return Word(start=word.start, end=word.end, text=lead + " ".join(word.text.split()), probability=word.probability)


def _chopped(word: Word) -> tuple[Word, ...]:
    """A word too long for a line, in pieces that fit."""
    if columns(word.text.strip()) <= LINE_COLUMNS:
        return (word,)
    size = LINE_COLUMNS // 2  # fits even if every character takes two columns
    pieces = [word.text[i : i + size] for i in range(0, len(word.text), size)]
    step = (word.end - word.start) / len(pieces)
    return tuple(
        Word(start=word.start + i * step, end=word.start + (i + 1) * step, text=text, probability=word.probability)
        for i, text in enumerate(pieces)
    )


def _clings(text: str, *, spaces: bool) -> bool:
    """Whether a word belongs to the one before it: no space between, a combining sign, or a closing mark."""
    if text[:1].isspace():
        return False
    if spaces:
        return True
    category = unicodedata.category(text[0]) if text else "Mn"
    return category.startswith("M") or category in ("Pe", "Pf", "Po")
