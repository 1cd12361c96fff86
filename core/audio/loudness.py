"""Where a stretch of audio is quietest: the place to cut when nobody pauses."""

import numpy as np
from numpy.typing import NDArray

from core.audio.frames import FRAME_SAMPLES, Probabilities
from core.models import Pcm

_SMOOTH_FRAMES = 5  # 160 ms: longer than the closure of a stop, so that a gap between words wins over it
_SURENESS_DB = 20.0  # what full certainty of speech weighs against loudness
_FLOOR = 1.0  # one step of 16 bits: silence is -inf dB otherwise


class Loudness:
    """A figure per frame, low where it is quiet and the detector doubts. Holds what was not forgotten."""

    def __init__(self) -> None:
        self._first = 0  # frame number of the first figure held
        self._rest: Pcm = np.zeros(0, dtype=np.int16)
        self._figures: NDArray[np.float64] = np.zeros(0)

    def append(self, pcm: Pcm, probabilities: Probabilities) -> None:
        """Audio as it comes, and the probabilities of the frames that are whole with it (a last, partial one too)."""
        audio = np.concatenate([self._rest, pcm])
        wanted = len(probabilities) * FRAME_SAMPLES
        padded = np.pad(audio[:wanted], (0, max(0, wanted - len(audio)))).astype(np.float64)
        self._rest = audio[wanted:]
        power = np.mean(padded.reshape(-1, FRAME_SAMPLES) ** 2, axis=1)
        figures = 10 * np.log10(power + _FLOOR) + _SURENESS_DB * probabilities
        self._figures = np.concatenate([self._figures, figures])

    def quiet_point(self, start: int, end: int) -> int:
        """The quietest position in ``[start, end)``, in samples: the middle of a frame, its surroundings counted in."""
        low, high = -(-start // FRAME_SAMPLES) - self._first, end // FRAME_SAMPLES - self._first
        reach = _SMOOTH_FRAMES // 2
        around = self._figures[low - reach : high + reach]
        smooth = np.convolve(around, np.ones(_SMOOTH_FRAMES) / _SMOOTH_FRAMES, mode="valid")
        frame = self._first + low + int(np.argmin(smooth))
        return frame * FRAME_SAMPLES + FRAME_SAMPLES // 2

    def forget(self, before: int) -> None:
        """Drop the frames that lie wholly before a position in samples."""
        drop = min(max(before // FRAME_SAMPLES - self._first, 0), len(self._figures))
        self._figures = self._figures[drop:].copy()
        self._first += drop
