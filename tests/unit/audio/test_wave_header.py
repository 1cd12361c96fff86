"""How much of a WAV file is read at once, and what damage to it costs."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from core.audio.decode_child import _open, _pcm, _Report
from core.audio.source import Source
from core.audio.wave_header import wave_options
from core.audio.wire import PCM_BYTES, Request

RATE = 8_000
REQUEST = Request(
    rate=16_000, max_seconds=1e6, max_amplification=1e9, cpu_seconds=60, memory_bytes=1 << 33, parent_pid=0
)


def head(tag: int, *, first: bytes = b"RIFF", chunk: bytes = b"fmt ") -> bytes:
    """The first bytes of a file."""
    return first + bytes(4) + b"WAVE" + chunk + bytes(4) + tag.to_bytes(2, "little") + bytes(30)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (head(1), PCM_BYTES),
        (head(3, first=b"RF64"), PCM_BYTES),
        (head(6), PCM_BYTES),
        (head(7), PCM_BYTES),
        (head(0x11), 16_384),  # ADPCM
        (head(0x31), 16_384),  # GSM
        (head(1, chunk=b"ds64"), 16_384),  # the format is told further on
        (b"RIFF\0\0\0\0WAVE", 16_384),
        (b"RIFF\0\0\0\0AVI fmt ", None),
        (b"OggS", None),
        (b"", None),
    ],
)
def test_only_what_is_not_compressed_is_read_in_large_packets(tmp_path: Path, data: bytes, size: int | None) -> None:
    """And only a WAV file needs to be told."""
    path = tmp_path / "file"
    path.write_bytes(data)
    with io.FileIO(path) as source:
        assert wave_options(Source(source, "")).get("max_size") == (None if size is None else str(size))
        assert source.tell() == 0


def adpcm(path: Path, seconds: int) -> None:
    """A tone, compressed, with one damaged block in its middle."""
    tone = (np.sin(np.arange(RATE * seconds) * 2 * np.pi * 300 / RATE) * 8_000).astype(np.int16)
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("adpcm_ima_wav", rate=RATE, layout="mono")
        stream.codec_context.open()
        step = stream.codec_context.frame_size
        for start in range(0, len(tone) - step, step):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + step], format="s16p", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    block, first = int.from_bytes(data[32:34], "little"), data.index(b"data") + 8
    data[first + (len(data) - first) // block // 2 * block + 2] = 200  # an impossible step
    path.write_bytes(data)


def test_damage_in_a_compressed_file_costs_seconds(tmp_path: Path) -> None:
    """With the packets of plain sound it would be half a minute."""
    adpcm(tmp_path / "tone.wav", 120)
    with io.FileIO(tmp_path / "tone.wav") as source, _open(Source(source, ""), REQUEST) as container:
        sound = np.frombuffer(b"".join(_pcm(container, container.streams.audio[0], 16_000, _Report())), np.int16)
    silent = (np.abs(sound[: len(sound) // 1_600 * 1_600]).reshape(-1, 1_600).max(1) < 1_000).sum() / 10
    assert 0 < silent < 5
