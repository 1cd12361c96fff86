"""A WAV of any size without holding it."""

import struct
from collections.abc import Iterator

from core.models import SAMPLE_RATE

HEADER_BYTES = 44


def silent_wave(size: int, piece: int) -> Iterator[bytes]:
    """A 16 kHz mono WAV of silence, ``size`` bytes in all, in pieces of at most ``piece`` bytes."""
    data = size - HEADER_BYTES
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    yield struct.pack("<4sI4s", b"RIFF", size - 8, b"WAVE") + form + struct.pack("<4sI", b"data", data)
    silence = bytes(piece)
    for start in range(0, data, piece):
        yield silence[: min(piece, data - start)]
