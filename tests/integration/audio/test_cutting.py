"""Decoding, detecting and splitting together, on real speech and over hours."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.audio.cutting import BLOCK_SAMPLES, Cutter
from core.audio.decode import DecodeLimits
from core.audio.decoders import open_decoder
from core.audio.split import Piece, Totals
from core.errors import AudioError
from core.models import MAX_WINDOW_SAMPLES, SAMPLE_RATE, CutPlan, Pcm
from tests.helpers_audio import CLIPS, clip, encode, noise, silence, tone, write_wav

PLAN = CutPlan()


async def cut_file(path: Path, plan: CutPlan = PLAN) -> tuple[list[Piece], Totals]:
    """All windows of a file."""
    cutter = Cutter(plan, asyncio.to_thread)
    async with open_decoder(path, DecodeLimits()) as decoder:
        return [piece async for piece in cutter.cut(decoder.blocks(BLOCK_SAMPLES))], cutter.totals


async def test_clips_with_pauses_between_become_their_own_windows(tmp_path: Path) -> None:
    """Five clips, 3 s apart: each window holds one clip, placed to a tenth of a second."""
    parts, starts, position = [], [], 0
    for index in range(len(CLIPS)):
        parts += [clip(index), silence(3)]
        starts.append(position / SAMPLE_RATE)
        position += len(parts[-2]) + len(parts[-1])
    pieces, totals = await cut_file(write_wav(tmp_path / "x.wav", np.concatenate(parts)))
    assert totals.samples == position
    assert len(pieces) == len(CLIPS)
    for (cut, pcm), start, index in zip(pieces, starts, range(len(CLIPS)), strict=True):
        assert len(pcm) == cut.end - cut.start
        assert start - 0.4 <= cut.start / SAMPLE_RATE <= start + 1
        assert cut.end / SAMPLE_RATE <= start + len(clip(index)) / SAMPLE_RATE + 0.45


async def test_speech_joined_without_gaps_is_covered_without_a_hole(tmp_path: Path) -> None:
    """Two minutes of clips back to back: every window fits the model, and cores hold what the detector calls speech."""
    audio = np.concatenate([clip(index % len(CLIPS)) for index in range(24)])
    pieces, totals = await cut_file(write_wav(tmp_path / "x.wav", audio))
    assert all(cut.end - cut.start <= MAX_WINDOW_SAMPLES for cut, _ in pieces)
    assert sum(cut.core_end - cut.core_start for cut, _ in pieces) >= totals.speech_samples


@pytest.mark.parametrize("strategy", ["vad", "fixed"])
@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
async def test_what_is_not_speech_gives_no_windows(tmp_path: Path, kind: str, strategy: str) -> None:
    """The length is known nevertheless: all of it is silence."""
    audio = {"silence": silence(70), "noise": noise(70), "tone": tone(70)}[kind]
    plan = CutPlan(strategy=strategy)  # type: ignore[arg-type]
    pieces, totals = await cut_file(write_wav(tmp_path / "x.wav", audio), plan)
    assert pieces == []
    assert totals.samples == 70 * SAMPLE_RATE


async def test_a_clip_of_a_fifth_of_a_second_is_no_error(tmp_path: Path) -> None:
    """At most one window, as short as the clip."""
    pieces, totals = await cut_file(write_wav(tmp_path / "x.wav", clip(0)[8_000:11_200]))
    assert totals.samples == 3_200
    assert len(pieces) <= 1


async def test_an_error_of_the_decoder_reaches_the_caller(tmp_path: Path) -> None:
    """After the windows that were final before it."""
    audio = np.concatenate([clip(0), silence(60), noise(5)])
    path = encode(tmp_path / "x.mp3", audio, codec="libmp3lame")
    seen: list[Piece] = []

    async def cut_all() -> None:
        async with open_decoder(path, DecodeLimits(max_seconds=66)) as decoder:
            blocks = decoder.blocks(BLOCK_SAMPLES)
            async for piece in Cutter(PLAN, asyncio.to_thread).cut(blocks):
                seen.append(piece)  # noqa: PERF401 - what came before the error is the point

    with pytest.raises(AudioError, match="longer"):
        await cut_all()
    assert len(seen) == 1


async def test_stopping_early_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither the child nor a task that reads ahead."""
    audio = np.concatenate([clip(0), silence(60)] * 3)
    before = asyncio.all_tasks()
    async with open_decoder(write_wav(tmp_path / "x.wav", audio), DecodeLimits()) as decoder:
        async with aclosing(Cutter(PLAN, asyncio.to_thread).cut(decoder.blocks(BLOCK_SAMPLES))) as pieces:
            await anext(pieces)
        assert asyncio.all_tasks() == before
    assert not psutil.pid_exists(decoder.pid)


async def test_the_event_loop_stays_free(tmp_path: Path) -> None:
    """The detector and the splitter work elsewhere: this thread has less than a quarter of the processor time."""
    audio = np.concatenate([clip(index % len(CLIPS)) for index in range(24)])
    path = write_wav(tmp_path / "x.wav", audio)
    own, whole = time.thread_time(), time.process_time()
    await cut_file(path)
    assert time.thread_time() - own < (time.process_time() - whole) / 4


async def _growth(tmp_path: Path, *, minutes: int) -> list[float]:
    """MiB that the highest resident size of a file's second half is above that of its first: here, in the child."""
    audio = np.concatenate([clip(index % len(CLIPS)) for index in range(12)])[: 60 * SAMPLE_RATE]
    path = encode(tmp_path / "x.mp3", audio, codec="libmp3lame", rate=44_100)
    path.write_bytes(path.read_bytes() * minutes)
    # One thread does all the work: each further one has a heap of its own, which grows when its turn comes.
    with ThreadPoolExecutor(1) as pool:
        return await _growth_on(pool, path, minutes=minutes)


async def _growth_on(pool: Executor, path: Path, *, minutes: int) -> list[float]:
    sizes: list[list[int]] = []
    loop = asyncio.get_running_loop()

    async def on_pool(work: Callable[[], Any]) -> Any:
        return await loop.run_in_executor(pool, work)

    async with open_decoder(path, DecodeLimits()) as decoder:
        processes = psutil.Process(os.getpid()), psutil.Process(decoder.pid)

        async def watched() -> AsyncIterator[Pcm]:
            async for block in decoder.blocks(BLOCK_SAMPLES):
                sizes.append([process.memory_info().rss for process in processes])
                yield block

        async for _ in Cutter(PLAN, on_pool).cut(watched()):
            pass
    half = len(sizes) // 2
    assert half == pytest.approx(minutes, abs=1)
    return [(max(row[half:]) - max(row[:half])) / 2**20 for row in zip(*sizes, strict=True)]


async def test_memory_does_not_grow_over_twenty_minutes(tmp_path: Path) -> None:
    """Held whole, the samples of ten minutes alone would be 18 MiB."""
    here, child = await _growth(tmp_path, minutes=20)
    assert here < 8
    assert child < 4


@pytest.mark.slow
async def test_memory_does_not_grow_over_three_hours(tmp_path: Path) -> None:
    """Resamplers have leaked at this length (faster-whisper#390)."""
    here, child = await _growth(tmp_path, minutes=180)
    assert here < 8
    assert child < 4
