"""Small chunks and transcripts for the tests of joining and rendering."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from core.models import SAMPLE_RATE, Chunk, Coverage, Cut, Segment, WindowResult, Word
from core.states import ChunkState, TaskStatus
from core.transcript.join import join
from core.transcript.pieces import Gap, Piece, TranscriptHeader, TranscriptSegment

T = TypeVar("T")
Spoken = tuple[str, float, float]  # a word with its start and end in seconds from the task's start


def cut(index: int, core: tuple[float, float], *, left: float = 0.0, right: float = 0.0) -> Cut:
    """A window by its core in seconds and its overlaps on either side."""
    start, end = (round(second * SAMPLE_RATE) for second in core)
    before, after = round(left * SAMPLE_RATE), round(right * SAMPLE_RATE)
    return Cut(index=index, start=start - before, end=end + after, core_start=start, core_end=end)


def word(text: str, start: float, end: float) -> Word:
    return Word(start=start, end=end, text=text, probability=0.9)


def segment(*words: Word) -> Segment:
    text = "".join(w.text for w in words)
    return Segment(start=words[0].start, end=words[-1].end, text=text, words=words, tokens=(1, 2))


def heard(window: Cut, *sentences: Sequence[Spoken]) -> Chunk:
    """A finished chunk; the sentences are given in the task's time."""
    offset = window.start / SAMPLE_RATE
    segments = [segment(*(word(t, a - offset, b - offset) for t, a, b in said)) for said in sentences if said]
    result = WindowResult(segments=tuple(segments), avg_logprob=-0.25, compression_ratio=1.5, no_speech_prob=0.125)
    return chunk(window, ChunkState.DONE, result)


def chunk(window: Cut, state: ChunkState, result: WindowResult | None = None) -> Chunk:
    return Chunk(task_id="t", cut=window, state=state, result=result)


def evenly(text: str, start: float, *, every: float = 0.4, length: float = 0.3) -> list[Spoken]:
    """The words of a text, one every so many seconds."""
    return [
        (f" {part}", round(start + i * every, 3), round(start + i * every + length, 3))
        for i, part in enumerate(text.split())
    ]


async def stream(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


async def joined(*chunks: Chunk) -> list[Piece]:
    return [piece async for piece in join(stream(chunks))]


def texts(pieces: Iterable[Piece]) -> list[str]:
    return [p.text.strip() if isinstance(p, TranscriptSegment) else f"<{p.reason}>" for p in pieces]


def all_words(pieces: Iterable[Piece]) -> list[Word]:
    return [w for p in pieces if isinstance(p, TranscriptSegment) for w in p.words]


def said(text: str, start: float, end: float, *words: Word) -> TranscriptSegment:
    return TranscriptSegment(start=start, end=end, text=text, words=words)


def gap(start: float, end: float) -> Gap:
    return Gap(start=start, end=end, reason="failed")


def header(**changes: object) -> TranscriptHeader:
    values = {
        "task_id": "t1",
        "status": TaskStatus.PARTIAL,
        "task": "transcribe",
        "language": "en",
        "duration_seconds": 120.5,
        "coverage": Coverage(transcribed_samples=16_000 * 100, silent_samples=8_000, failed_samples=16_000 * 20),
        "model": "base",
        "complete": False,
        "word_timestamps": False,
    }
    return TranscriptHeader(**(values | changes))
