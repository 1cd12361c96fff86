"""The stretch of audio that the splitter still needs, addressed by position in the file."""

from collections import deque

import numpy as np

from core.models import Pcm


class Tape:
    """Append at the end, forget at the front, read anywhere between."""

    def __init__(self) -> None:
        self._start = self._end = 0
        self._blocks: deque[Pcm] = deque()  # what they hold is [start, end)

    @property
    def end(self) -> int:
        """Samples seen so far."""
        return self._end

    @property
    def held(self) -> int:
        """Samples held in memory."""
        return self._end - self._start

    def append(self, pcm: Pcm) -> None:
        """One more block. It is kept, not copied: nobody may change it any more."""
        self._blocks.append(pcm)
        self._end += len(pcm)

    def read(self, start: int, end: int) -> Pcm:
        """A copy of ``[start, end)``, which may not be empty and all of which must still be held."""
        assert self._start <= start < end <= self._end, (self._start, start, end, self._end)
        parts, position = [], self._start
        for block in self._blocks:
            parts.append(block[max(start - position, 0) : max(end - position, 0)])
            position += len(block)
        return np.concatenate(parts)

    def forget(self, before: int) -> None:
        """Drop what lies before a position."""
        drop = min(max(before - self._start, 0), self.held)
        self._start += drop
        while self._blocks and len(self._blocks[0]) <= drop:
            drop -= len(self._blocks.popleft())
        if drop:
            self._blocks[0] = self._blocks[0][drop:].copy()  # a view would keep the whole block in memory
