"""The recording that a benchmark runs on: whole copies of a file and of what is said in it."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.audio.cutting import BLOCK_SAMPLES, Cutter
from core.audio.decode import DecodeLimits
from core.audio.decoders import open_decoder
from core.config import Settings
from core.models import SAMPLE_RATE, Pcm
from tests.helpers_audio import write_wav

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "printing.ogg"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A WAV, its length in seconds, and its words."""

    path: Path
    seconds: float
    words: str


def repeated(audio: Path, reference: Path | None, *, minutes: float, folder: Path) -> Recording:
    """As many whole copies of ``audio`` as it takes to reach ``minutes``, so that the reference stays exact.

    Without a reference there are no words.
    """
    pcm = asyncio.run(_decoded(audio))
    copies = math.ceil(minutes * 60 * SAMPLE_RATE / len(pcm))
    path = write_wav(folder / "recording.wav", np.tile(pcm, copies))
    words = "\n".join([reference.read_text()] * copies) if reference else ""
    return Recording(path=path, seconds=len(pcm) * copies / SAMPLE_RATE, words=words)


async def windows_of(path: Path) -> list[Pcm]:
    """What the product cuts a file into, with its default settings."""
    async with open_decoder(path, DecodeLimits()) as decoder:
        cutter = Cutter(Settings().cut_plan, asyncio.to_thread)
        return [pcm async for _, pcm in cutter.cut(decoder.blocks(BLOCK_SAMPLES))]


async def _decoded(audio: Path) -> Pcm:
    async with open_decoder(audio, DecodeLimits()) as decoder:
        return np.concatenate([block async for block in decoder.blocks(SAMPLE_RATE)])
