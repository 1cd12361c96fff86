"""Makes audio files for tests: real speech in any format, and files that lie."""

import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from core.models import SAMPLE_RATE, Pcm

DATA = Path(__file__).parent / "data"
CLIPS = tuple(sorted(DATA.glob("librivox-*.wav")))  # 2 to 7 s of speech each, 16 kHz mono


def clip(index: int = 0) -> Pcm:
    """One of the clips."""
    with wave.open(str(CLIPS[index]), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def silence(seconds: float) -> Pcm:
    """Digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.int16)


def noise(seconds: float, *, level: int = 300, seed: int = 1) -> Pcm:
    """White noise."""
    values = np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE))
    return values.astype(np.int16)


def tone(seconds: float, *, hertz: float = 440.0) -> Pcm:
    """A sine."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (8_000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def write_wav(path: Path, pcm: Pcm) -> Path:
    """16 kHz mono, 16 bit."""
    path.write_bytes(wav_header(rate=SAMPLE_RATE, data_bytes=pcm.nbytes) + pcm.tobytes())
    return path


def wav_header(*, rate: int, data_bytes: int, channels: int = 1, bits: int = 16) -> bytes:
    """The 44 bytes in front of PCM samples; free to lie."""
    frame = channels * bits // 8
    riff = struct.pack("<4sI4s", b"RIFF", min(data_bytes + 36, 0xFFFF_FFFF), b"WAVE")
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * frame & 0xFFFF_FFFF, frame, bits)
    return riff + fmt + struct.pack("<4sI", b"data", data_bytes)


def encode(
    path: Path, pcm: Pcm, *, codec: str, rate: int = SAMPLE_RATE, layout: str = "mono", video: str | None = None
) -> Path:
    """``pcm`` in another format; the container follows from the file's name. ``video``: the codec of a film with it."""
    with av.open(str(path), "w") as output:
        pictures = _add_video(output, video) if video else None
        stream = output.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        if codec == "wmav2":
            stream.bit_rate = 128_000  # it has no default
        if pictures is not None:
            _show(output, pictures, seconds=len(pcm) / SAMPLE_RATE)
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, layout, rate, frame_size=_frame_size(stream))
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path


def _frame_size(stream: av.AudioStream) -> int:
    if not stream.codec_context.is_open:
        stream.codec_context.open()
    return stream.codec_context.frame_size or 1_024


def _add_video(output: av.container.OutputContainer, codec: str) -> av.VideoStream:
    stream = output.add_stream(codec, rate=5)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream


def _show(output: av.container.OutputContainer, stream: av.VideoStream, seconds: float) -> None:
    for index in range(int(seconds * 5)):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index % 255, dtype=np.uint8), format="rgb24")
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def flac_of_silence(path: Path, *, days: float, declared: bool, rate: int = 8_000) -> Path:
    """A small valid FLAC of very much silence: frames of 65,535 equal samples, 17 bytes each."""
    frames = int(days * 86_400 * rate / 65_535)
    total = frames * 65_535 if declared else 0
    shape = (rate << 44 | 15 << 36 | total).to_bytes(8, "big")
    info = struct.pack(">HH", 65_535, 65_535) + bytes(6) + shape + bytes(16)
    body = (_flac_frame(number) for number in range(frames))
    path.write_bytes(b"fLaC\x80" + len(info).to_bytes(3, "big") + info + b"".join(body))
    return path


def _flac_frame(number: int) -> bytes:
    header = b"\xff\xf8\x70\x08" + _flac_number(number) + struct.pack(">H", 65_534)
    header += bytes([_crc(header, 0x07, 8)])
    frame = header + b"\x00\x00\x00"  # one constant subframe of value 0
    return frame + struct.pack(">H", _crc(frame, 0x8005, 16))


def _flac_number(value: int) -> bytes:
    return chr(value).encode("utf-8", "surrogatepass")  # the same coding as UTF-8, up to 21 bits


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value, top, mask = 0, 1 << (bits - 1), (1 << bits) - 1
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value
