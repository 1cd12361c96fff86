"""The fast transform against NumPy's."""

import numpy as np
from numpy.typing import NDArray

from core.kernels import fourier
from core.kernels.waves import turns_of

RANDOM = np.random.default_rng(11)


def test_it_finds_the_loudness_that_numpy_finds() -> None:
    """In every bin of sixteen spectra, each in its place and apart from its neighbours."""
    streams = RANDOM.integers(-32768, 32767, (4, 5, 128)).astype(np.float32)
    streams[1] /= 1000
    window = np.hanning(256).astype(np.float32)
    out = np.zeros(4 * 129 * 4 + 1, np.float32)
    fourier.loudness(lined_up(streams), window, turns_of(fourier.LENGTH), np.zeros(fourier.COLUMNS, np.float32), out)
    assert out[-1] == 0
    for stream, samples in enumerate(streams.reshape(4, -1)):
        for spectrum in range(4):
            wanted = abs(np.fft.rfft(samples[128 * spectrum :][:256] * window))
            found = out[:-1].reshape(4, 129, 4)[spectrum, :, stream]
            np.testing.assert_allclose(found, wanted, atol=1e-6 * wanted.max())


def test_silence_has_no_loudness() -> None:
    """Nor a number that is none."""
    out = np.ones(4 * 129 * 4, np.float32)
    columns = np.full(fourier.COLUMNS, np.nan, np.float32)
    fourier.loudness(np.zeros((128, 20), np.float32), np.ones(256, np.float32), turns_of(fourier.LENGTH), columns, out)
    assert (out == 0).all()


def lined_up(streams: NDArray[np.float32]) -> NDArray[np.float32]:
    """(streams, stretches, samples) with those of one place in a stretch side by side."""
    return np.ascontiguousarray(streams.transpose(2, 1, 0).reshape(128, 20))
