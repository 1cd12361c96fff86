"""A file through the real child process, to its end or to its refusal."""

from pathlib import Path

import numpy as np
import pytest

from core.audio.decode import DecodeLimits, Decoder
from core.audio.decoders import open_decoder
from core.errors import AudioError
from core.models import SAMPLE_RATE, Pcm

LIMITS = DecodeLimits()


async def decode(path: Path, limits: DecodeLimits = LIMITS) -> tuple[Decoder, Pcm]:
    """All of a file's audio."""
    async with open_decoder(path, limits) as decoder:
        blocks = [block async for block in decoder.blocks(SAMPLE_RATE)]
    return decoder, np.concatenate(blocks)


async def refusal(path: Path, limits: DecodeLimits = LIMITS) -> AudioError:
    """The error that a file ends with."""
    with pytest.raises(AudioError) as caught:
        await decode(path, limits)
    return caught.value
