"""Real speech for the tests of engines, and the engines that hear it."""

import wave
from pathlib import Path

import numpy as np

from core.config import Settings
from core.engines.builders import build_whisper
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


def real_engine(model: str, models_dir: Path, **settings: object) -> FasterWhisperEngine:
    """An engine on an installed model."""
    files = ModelStore(models_dir, download=False).find(model)
    chosen = {"device": "cpu", "max_parallel_workers": 2, "data_dir": models_dir, **settings}
    return build_whisper(Settings(_env_file=None, **chosen), files)
