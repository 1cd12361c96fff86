"""What one thread at a time works with."""

import numpy as np
from numpy.typing import NDArray

from core.engines.native.attention import Memory, new_memory
from core.engines.native.forward import Bench, new_bench
from core.engines.native.model import Model

F32 = NDArray[np.float32]


class Desk:
    """Working space for one model: it grows to what is needed and is used again."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.layers, self.width = model.own_norm.scale.shape
        self.feed = model.up.scale.shape[1]
        self.tokens = model.words.scale.shape[1]
        self._rows = self._frames = 0
        self._memory: Memory | None = None
        self.bench: Bench
        self.scores: F32
        self.scratch = np.zeros(self.tokens, np.float32)

    def reserve(self, rows: int, frames: int) -> None:
        """Have room for so many rows, each of which attends to so many frames, or to all positions of a text."""
        frames = max(frames, len(self.model.positions))
        if rows > self._rows or frames > self._frames:
            rows, frames = max(rows, self._rows), max(frames, self._frames)
            self.bench = new_bench(rows, self.width, self.feed, frames)
            self._rows, self._frames = rows, frames  # only now: there may have been no memory for it

    def reserve_scores(self, rows: int) -> None:
        """Have room for the scores of so many rows."""
        if not hasattr(self, "scores") or len(self.scores) < rows:
            self.scores = np.zeros((rows, self.tokens), np.float32)

    def memory(self, positions: int, slots: int) -> Memory:
        """Room for so many texts of so many tokens. Asked for the same again, it has what was written to it."""
        known = (0, 0) if self._memory is None else self._memory.values.shape[1:3]
        if self._memory is None or positions > known[0] or slots > known[1]:
            self._memory = None  # what is too small goes before its successor comes
            self._memory = new_memory(self.layers, max(positions, known[0]), max(slots, known[1]), self.width)
        return self._memory
