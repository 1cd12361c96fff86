"""What is read of a file before its first sound."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from core.audio.decode_child import _open
from core.audio.source import Source
from core.audio.wire import Request

SAMPLES = 2_000_000
REQUEST = Request(
    rate=16_000, max_seconds=1e6, max_amplification=1e6, cpu_seconds=9, memory_bytes=1 << 40, parent_pid=1
)


class Counting(io.FileIO):
    """Knows how much was asked of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As the file does."""
        data = super().read(size) or b""
        self.count += len(data)
        return data


def wave(form: int, bits: int) -> bytes:
    """A WAV file of noise: 1 is PCM, 3 is floating point."""
    dtype = np.int16 if form == 1 else np.float32
    data = (np.random.default_rng(1).standard_normal(SAMPLES) * (3000 if form == 1 else 0.1)).astype(dtype).tobytes()
    size = bits // 8
    shape = struct.pack("<HHIIHH", form, 1, 16_000, 16_000 * size, size, bits)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt \x10\0\0\0"
        + shape
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


@pytest.mark.parametrize(("form", "bits"), [(1, 16), (3, 32)])
def test_of_a_wav_file_little_more_than_its_header_is_read(tmp_path: Path, form: int, bits: int) -> None:
    """It says all there is to know. libav would read megabytes to be sure, while the slots wait for work."""
    path = tmp_path / "noise.wav"
    path.write_bytes(wave(form, bits))
    with Counting(path) as source, _open(Source(source, ""), REQUEST) as container:
        assert container.streams.audio[0].codec_context.sample_rate == 16_000
        assert source.count < 400_000  # a packet of 7.5 s, and some
        assert sum(frame.samples for frame in container.decode(audio=0)) == SAMPLES
