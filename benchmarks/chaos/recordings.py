"""The audio that is sent, and what an undisturbed run makes of it: its windows, their hashes, its segments.

The expectation is made in this process by the product's own cutter, fake engine and join, without any network, queue or
database. The first scenario of every run, ``quiet``, shows that the whole product without faults gives the same.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.audio.cutting import Cutter
from core.audio.split import Piece
from core.engines.fake import FakeEngine
from core.models import SAMPLE_RATE, Chunk, CutPlan, Options, Pcm, Window
from core.states import ChunkState
from core.transcript.join import join
from core.transcript.pieces import TranscriptSegment
from tests.support.audio import speech, wav

SECONDS = 75.0
PAUSE_SECONDS = 2.2  # longer than what a window may bridge, so that every sentence is a window of its own

Segment = tuple[float, float, str]  # seconds from the start, to the millisecond, and the text


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One upload. ``windows``: SHA-256 of each window's PCM, in order; ``spans``: seconds."""

    number: int
    data: bytes
    windows: tuple[str, ...]
    spans: tuple[tuple[float, float], ...]
    segments: tuple[Segment, ...]

    @property
    def name(self) -> str:
        """The file name that it is sent under."""
        return f"recording-{self.number}.wav"


@cache
def recording(number: int, seconds: float = SECONDS) -> Recording:
    """Real speech, different for every number; the same number is the same bytes."""
    pcm = speech(seconds, gap_seconds=PAUSE_SECONDS, seed=number)
    return asyncio.run(_expected(number, pcm))


async def recordings(numbers: Sequence[int], seconds: float = SECONDS) -> list[Recording]:
    """Several, made on a thread: the relays must not stand still meanwhile."""
    return [await asyncio.to_thread(recording, number, seconds) for number in numbers]


async def _expected(number: int, pcm: Pcm) -> Recording:
    pieces = [piece async for piece in Cutter(CutPlan(), _now).cut(_blocks(pcm))]
    results = FakeEngine().transcribe([Window(pcm=part) for _, part in pieces], Options(model="base", language="en"))
    chunks = [
        Chunk(task_id="", cut=cut, state=ChunkState.DONE, result=result)
        for (cut, _), result in zip(pieces, results, strict=True)
    ]
    joined = [piece async for piece in join(_all(chunks))]
    return Recording(
        number=number,
        data=wav(pcm),
        windows=tuple(_digest(piece) for piece in pieces),
        spans=tuple((cut.start / SAMPLE_RATE, cut.end / SAMPLE_RATE) for cut, _ in pieces),
        segments=tuple(_segment(piece) for piece in joined if isinstance(piece, TranscriptSegment)),
    )


def _digest(piece: Piece) -> str:
    return hashlib.sha256(piece[1].tobytes()).hexdigest()


def _segment(piece: TranscriptSegment) -> Segment:
    return round(piece.start, 3), round(piece.end, 3), piece.text


async def _now(work: Callable[[], Any]) -> Any:
    return work()


async def _blocks(pcm: Pcm) -> AsyncIterator[Pcm]:
    yield pcm


async def _all(chunks: Sequence[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk
