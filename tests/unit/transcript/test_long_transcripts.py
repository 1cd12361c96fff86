"""Hours of speech: seconds of time, and memory that does not grow."""

import time
import tracemalloc
from random import Random

import pytest

from core.models import Chunk, WindowResult
from core.states import ChunkState
from core.transcript.formats import TranscriptFormat, render
from core.transcript.join import join
from tests.unit.transcript.transcripts import cut, header, segment, word

MEBIBYTE = 2**20
WORDS_PER_CHUNK = 75  # 216,000 words in 24 h of 30 s windows


async def a_day(*, overlap: float = 0.0, hours: float):
    """Chunks of 30 s as a database cursor would give them: made when asked for, kept by nobody."""
    random = Random(1)
    vocabulary = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(1, 10))) for _ in range(5000)]
    for index in range(round(hours * 120)):
        window = cut(index, (index * 30, index * 30 + 30), left=overlap if index else 0.0, right=overlap)
        words = [
            word(f" {random.choice(vocabulary)}", round(i * 0.4, 3), round(i * 0.4 + 0.35, 3))
            for i in range(WORDS_PER_CHUNK)
        ]
        segments = tuple(segment(*words[i : i + 15]) for i in range(0, WORDS_PER_CHUNK, 15))
        yield Chunk(task_id="t", cut=window, state=ChunkState.DONE, result=WindowResult(segments=segments))


async def rendered_size(name, **options) -> int:
    parts = render(name, header(word_timestamps=True), join(a_day(**options)))
    return sum([len(part) async for part in parts])


async def peak_of(name, hours) -> float:
    """The most memory that rendering took above its start, in MiB."""
    await rendered_size(name, hours=0.1)
    tracemalloc.start()
    try:
        await rendered_size(name, hours=hours)
        return tracemalloc.get_traced_memory()[1] / MEBIBYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["verbose_json", "srt", "text"])
async def test_two_hours_are_rendered_in_flat_memory(name):
    """18,000 words held as objects would be 5 MB; a chunk or two, and what waits compressed, are less than two."""
    assert await peak_of(name, hours=2) < 2


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TranscriptFormat))
async def test_a_day_is_rendered_in_flat_memory(name):
    """216,000 words: less than 5 MB above the start, word times included."""
    assert await peak_of(name, hours=24) < 5


@pytest.mark.parametrize("hours", [2, pytest.param(24, marks=pytest.mark.slow)])
async def test_hours_are_rendered_in_seconds(hours):
    """The richest format with a forced cut at every border; the limit leaves room for a busy machine."""
    before = time.process_time()
    await rendered_size("verbose_json", overlap=1.0, hours=hours)
    assert time.process_time() - before < 2 + hours
