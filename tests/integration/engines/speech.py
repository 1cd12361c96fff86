"""Real speech for the tests of engines, and the engines that hear it."""

import wave
from pathlib import Path

import numpy as np

from core.engines.faster_whisper import FasterWhisperEngine
from core.engines.models import ModelStore
from core.models import SAMPLE_RATE, Pcm

DATA = Path(__file__).parents[2] / "data"
CLIPS = ("0870", "0880", "0890", "0920", "0930")


def clip(number: str) -> Pcm:
    """One LibriVox clip of 3 to 7 s."""
    with wave.open(str(DATA / f"librivox-{number}.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (SAMPLE_RATE, 1)
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def words_of(number: str) -> list[str]:
    """What is said in it, in lower case without punctuation."""
    return (DATA / f"librivox-{number}.txt").read_text().split()


def real_engine(model: str, models_dir: Path, slots: int = 2) -> FasterWhisperEngine:
    """An engine on an installed model."""
    files = ModelStore(models_dir, download=False).find(model)
    return FasterWhisperEngine(files=files, slots=slots, device="cpu")
