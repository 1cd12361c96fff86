"""Log-mel spectrograms: what Whisper's encoder takes."""

import numpy as np
from numpy.typing import NDArray

from core.kernels.mel import Bands, bands, log_mel
from core.kernels.power import HOP, SPAN
from core.models import MAX_WINDOW_SAMPLES, SAMPLE_RATE, Pcm

Spectrogram = NDArray[np.float32]  # shape (1, mels, 3000)


def filters(mels: int) -> NDArray[np.float32]:
    """The bank of ``mels`` filters that Whisper was trained with, float32 (mels, 201): faster-whisper's."""
    from faster_whisper.feature_extractor import FeatureExtractor  # noqa: PLC0415  heavy: only where a model is loaded

    bank: NDArray[np.float32] = FeatureExtractor.get_mel_filters(SAMPLE_RATE, SPAN, mels).astype(np.float32)
    return bank


def new_bands(mels: int) -> Bands:
    """As :func:`spectrogram` takes them. What has to be compiled is compiled here, so that no window waits for it."""
    bank = bands(filters(mels))
    spectrogram(bank, np.zeros(0, np.int16))
    return bank


def spectrogram(bank: Bands, pcm: Pcm) -> Spectrogram:
    """The spectrogram of ``pcm`` followed by silence up to 30 s; samples beyond 30 s are not heard."""
    mel = np.empty((1, len(bank.weights), MAX_WINDOW_SAMPLES // HOP), np.float32)
    heard = np.array(pcm[:MAX_WINDOW_SAMPLES])  # a copy: to kernels, what may not be written to is another type
    log_mel(heard, bank, mel[0])
    return mel
