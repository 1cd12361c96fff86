"""The stretch of audio that the splitter still needs, addressed by position in the file."""

import numpy as np

from core.models import Pcm


class Tape:
    """Append at the end, forget at the front, read anywhere between."""

    def __init__(self) -> None:
        self._start = 0
        self._samples: Pcm = np.zeros(0, dtype=np.int16)

    @property
    def end(self) -> int:
        """Samples seen so far."""
        return self._start + len(self._samples)

    @property
    def held(self) -> int:
        """Samples held in memory."""
        return len(self._samples)

    def append(self, pcm: Pcm) -> None:
        """One more block."""
        self._samples = np.concatenate([self._samples, pcm])

    def read(self, start: int, end: int) -> Pcm:
        """A copy of ``[start, end)``, all of which must still be held."""
        assert self._start <= start <= end <= self.end, (self._start, start, end, self.end)
        return self._samples[start - self._start : end - self._start].copy()

    def forget(self, before: int) -> None:
        """Drop what lies before a position."""
        drop = min(max(before - self._start, 0), len(self._samples))
        self._samples = self._samples[drop:].copy()
        self._start += drop
