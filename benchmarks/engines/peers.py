"""The peers, each as its own documentation has it used for a file on a CPU, on as many threads as there are cores."""

import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.engines.ggml import write_ggml
from benchmarks.engines.ours import Transcribe
from core.config import usable_cores
from core.engines.model_files import ModelFiles

CORES = usable_cores()


def faster_whisper(files: ModelFiles, language: str, *, beam: int, batch: int | None) -> Transcribe:
    """Its own loop, or its pipeline of batches. ``int8``, as here."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel  # noqa: PLC0415  only where it takes part

    model: Any = WhisperModel(str(files.path), device="cpu", compute_type="int8", cpu_threads=CORES)
    more: dict[str, Any] = {} if batch is None else {"batch_size": batch}
    if batch is not None:
        model = BatchedInferencePipeline(model)

    def transcribe(path: Path) -> str:
        segments, _ = model.transcribe(str(path), language=language, beam_size=beam, **more)
        return " ".join(segment.text for segment in segments)

    return transcribe


def openai_whisper(files: ModelFiles, language: str) -> Transcribe:
    """Its own loop, with its defaults. From samples: a file would need FFmpeg's program."""
    import torch  # noqa: PLC0415  only where it takes part

    from core.engines.openai_whisper import load_model  # noqa: PLC0415  only where it takes part

    model = load_model(files, "cpu")
    torch.set_num_threads(CORES)
    return lambda path: str(model.transcribe(_samples(path), language=language, fp16=False)["text"])


def whisper_cpp(files: ModelFiles, language: str) -> Transcribe:
    """As many of its processors as there are cores: it cuts the audio into as many parts, each on a thread."""
    from pywhispercpp.model import Model  # noqa: PLC0415  only where it takes part

    weights = Path("ggml.bin")
    if not weights.exists():
        write_ggml(files, weights)
    model = Model(str(weights), n_threads=1, redirect_whispercpp_logs_to=os.devnull, print_progress=False)

    def transcribe(path: Path) -> str:
        segments = model.transcribe(_samples(path), n_processors=CORES, language=language)
        return " ".join(segment.text for segment in segments)

    return transcribe


def _samples(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    return pcm.astype(np.float32) / np.float32(32768)
