"""Log-mel spectrograms: what Whisper's encoder takes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from core.models import MAX_WINDOW_SAMPLES, Pcm

Spectrogram = NDArray[np.float32]  # shape (1, mels, 3000)


def new_extractor(mels: int) -> Any:
    """faster-whisper's extractor for a model with ``mels`` bands. It keeps no state between calls, so
    that threads may share it.

    It costs little beside what encoding the window costs: a faster one of our own is not worth it. But NumPy's own
    threads would spin while they wait for each other, at the cost of the other slots: they are not used, in the whole
    process.
    """
    from faster_whisper.feature_extractor import FeatureExtractor  # noqa: PLC0415  heavy: only where a model is loaded

    threadpool_limits(1, user_api="blas")
    return FeatureExtractor(feature_size=mels)


def spectrogram(extractor: Any, pcm: Pcm) -> Spectrogram:
    """The spectrogram of ``pcm`` followed by silence up to 30 s; samples beyond 30 s are not heard."""
    audio = np.zeros(MAX_WINDOW_SAMPLES, dtype=np.float32)
    heard = pcm[:MAX_WINDOW_SAMPLES]
    audio[: len(heard)] = heard
    audio /= 32768.0
    mel: Spectrogram = extractor(audio, padding=0)
    return np.ascontiguousarray(mel[np.newaxis], dtype=np.float32)
