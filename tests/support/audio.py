"""Speech of any length from the clips in tests/data."""

import io
import wave
from pathlib import Path

import numpy as np

from core.models import SAMPLE_RATE, Pcm

CLIPS = Path(__file__).parent.parent / "data"


def clips() -> list[Pcm]:
    """The five clips, 3 to 7 s each, 16 kHz mono."""
    return [read_wav(path.read_bytes()) for path in sorted(CLIPS.glob("librivox-*.wav"))]


def read_wav(data: bytes) -> Pcm:
    """The samples of a 16 kHz mono WAV."""
    with wave.open(io.BytesIO(data)) as file:
        assert file.getframerate() == SAMPLE_RATE
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def speech(seconds: float, gap_seconds: float = 3.0, seed: int = 0) -> Pcm:
    """Clips in a random order with pauses between them, cut off at ``seconds``.

    With pauses of 3 s every clip is a window of its own. Each clip is louder or softer than the last time, so that no
    two windows are the same.
    """
    random = np.random.default_rng(seed)
    sources, parts, total = clips(), [], 0
    gap = np.zeros(round(gap_seconds * SAMPLE_RATE), dtype=np.int16)
    while total < seconds * SAMPLE_RATE:
        clip = sources[random.integers(len(sources))]
        part = (clip * random.uniform(0.5, 1.0)).astype(np.int16)
        parts += [part, gap]
        total += len(part) + len(gap)
    return np.concatenate(parts)[: round(seconds * SAMPLE_RATE)]


def wav(pcm: Pcm, rate: int = SAMPLE_RATE) -> bytes:
    """As a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return buffer.getvalue()
