"""Log-mel spectrograms, and what they are made of, against NumPy's and faster-whisper's."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from core.engines.features import filters, new_bands, spectrogram
from core.kernels import power
from core.kernels.bits import log_of_two
from core.kernels.waves import turns_of

RANDOM = np.random.default_rng(13)
SECOND = 16_000
WHOLE = 30 * SECOND

Pcm = NDArray[np.int16]


def noise(samples: int) -> Pcm:
    """Loud at its beginning, hardly there at its end."""
    return (RANDOM.standard_normal(samples) * np.geomspace(9000, 1, samples)).astype(np.int16)


def tone(samples: int) -> Pcm:
    """As far from the other bands as a sound can be."""
    return (np.sin(np.arange(samples) * 0.3) * 30_000).astype(np.int16)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize(
    "pcm",
    [noise(WHOLE), noise(WHOLE - 7), noise(WHOLE + 999), noise(12_345), tone(20 * SECOND), noise(1), noise(0)],
    ids=["30s", "30s-", "30s+", "short", "tone", "one", "none"],
)
def test_it_is_the_spectrogram_that_whisper_was_trained_with(mels: int, pcm: Pcm) -> None:
    """Everywhere, also where the sound is reflected at either end and where nothing is heard any more."""
    audio = np.zeros(WHOLE, np.float32)
    audio[: len(pcm)] = pcm[:WHOLE] / np.float32(32768)
    wanted = FeatureExtractor(feature_size=mels)(audio, padding=0)
    found = spectrogram(new_bands(mels), pcm)
    assert found.shape == (1, mels, 3000)
    assert found.dtype == np.float32
    assert np.abs(found[0] - wanted).max() < 1e-4


def test_what_may_not_be_written_to_is_heard_as_well() -> None:
    """Windows come out of bytes that belong to others."""
    pcm = noise(SECOND)
    given = np.frombuffer(pcm.tobytes(), np.int16)
    assert (spectrogram(new_bands(80), given) == spectrogram(new_bands(80), pcm)).all()


def test_power_is_that_of_numpy_s_transform() -> None:
    """In every bin of sixteen spectra, each in its place."""
    audio = RANDOM.integers(-32768, 32767, (18, power.HOP)).astype(np.float32)
    window, out = np.hanning(400).astype(np.float32), np.zeros((power.BINS + 1, 16), np.float32)
    columns = np.full(power.COLUMNS, np.nan, np.float32)
    power.power(np.ascontiguousarray(audio.T), window, turns_of(power.LENGTH), columns, out)
    assert (out[-1] == 0).all()
    for lane in range(16):
        wanted = abs(np.fft.rfft(audio.reshape(-1)[power.HOP * lane :][:400] * window)) ** 2
        np.testing.assert_allclose(out[:-1, lane], wanted, atol=1e-6 * wanted.max(), rtol=1e-4)


def test_logarithms_are_exact_enough_for_any_power() -> None:
    """From the least that a spectrogram tells apart to more than there can be."""
    powers = np.geomspace(1e-10, 1e12, 999).astype(np.float32)
    found = np.array([log_of_two(power) for power in powers])
    np.testing.assert_allclose(found, np.log2(powers.astype(np.float64)), atol=5e-7, rtol=2e-7)


def test_filters_are_those_of_the_model_s_size() -> None:
    """One for each band."""
    assert filters(80).shape == (80, power.BINS)
    assert filters(128).shape == (128, power.BINS)
