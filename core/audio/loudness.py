"""Where a stretch of audio is quietest: the place to cut when nobody pauses."""

import numpy as np
from numpy.typing import NDArray

from core.audio.frames import FRAME_SAMPLES, Probabilities
from core.audio.tape import Tape

_SMOOTH_FRAMES = 5  # 160 ms: longer than the closure of a stop, so that a gap between words wins over it
_SURENESS_DB = 20.0  # what full certainty of speech weighs against loudness
_FLOOR = 1.0  # one step of 16 bits: silence is -inf dB otherwise


class Loudness:
    """A figure per frame of a tape, low where it is quiet and the detector doubts."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._first = 0  # frame number of the first probability held
        self._probabilities: Probabilities = np.zeros(0, dtype=np.float32)

    def append(self, probabilities: Probabilities) -> None:
        """Those of the next frames."""
        self._probabilities = np.concatenate([self._probabilities, probabilities])

    def quiet_point(self, start: int, end: int) -> int:
        """The quietest position in ``[start, end)``, in samples: the middle of a frame, its surroundings counted in.

        The tape must hold the range and two frames on either side.
        """
        low, reach = -(-start // FRAME_SAMPLES), _SMOOTH_FRAMES // 2
        around = self._figures(low - reach, end // FRAME_SAMPLES + reach)
        smooth = np.convolve(around, np.ones(_SMOOTH_FRAMES) / _SMOOTH_FRAMES, mode="valid")
        frame = low + int(np.argmin(smooth))
        return frame * FRAME_SAMPLES + FRAME_SAMPLES // 2

    def forget(self, before: int) -> None:
        """Drop the frames that lie wholly before a position in samples."""
        drop = min(max(before // FRAME_SAMPLES - self._first, 0), len(self._probabilities))
        self._probabilities = self._probabilities[drop:].copy()
        self._first += drop

    def _figures(self, low: int, high: int) -> NDArray[np.float64]:
        """Of the frames from ``low`` to ``high``; made only when asked for, since most speech has pauses to cut in."""
        samples = self._tape.read(low * FRAME_SAMPLES, high * FRAME_SAMPLES).astype(np.float64)
        power = np.mean(samples.reshape(-1, FRAME_SAMPLES) ** 2, axis=1)
        sureness = _SURENESS_DB * self._probabilities[low - self._first : high - self._first]
        return np.asarray(10 * np.log10(power + _FLOOR) + sureness)
