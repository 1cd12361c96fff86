"""What one thread works with: room that is taken once and used for every batch, so that hours need what minutes do."""

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import HEAD
from core.engines.native.attention import Memory, new_memory
from core.engines.native.forward import Bench, new_bench
from core.engines.native.model import Model
from core.engines.native.sound import Sound, first_of, new_sound

F32 = NDArray[np.float32]


class Desk:
    """One thread's working space for one model: it grows to what is needed and is used again."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.layers, self.width = model.own_norm.scale.shape
        self.feed = model.up.scale.shape[1]
        self.tokens = model.words.scale.shape[1]
        self._rows = self._frames = 0
        self._memory: Memory | None = None
        self._sound: Sound | None = None
        self.bench: Bench
        self.scores: F32
        self.scratch = np.zeros(self.tokens, np.float32)

    def reserve(self, rows: int, frames: int) -> None:
        """Have room for so many rows."""
        if rows > self._rows or frames > self._frames:
            self._rows, self._frames = max(rows, self._rows), max(frames, self._frames)
            self.bench = new_bench(self._rows, self.width, self.feed, self._frames)

    def reserve_scores(self, rows: int) -> None:
        """Have room for the scores of so many rows."""
        if not hasattr(self, "scores") or len(self.scores) < rows:
            self.scores = np.zeros((rows, self.tokens), np.float32)

    def memory(self, slots: int) -> Memory:
        """Room for so many texts, each as long as the model can write; what stands in it stays."""
        if self._memory is None or self._memory.values.shape[2] < slots:
            self._memory = None  # what is too small goes before its successor comes
            self._memory = new_memory(self.layers, len(self.model.positions), slots, self.width)
        return self._memory

    def sound(self, windows: int, frames: int) -> Sound:
        """Room for what so many windows of ``frames`` frames sound like. What the last call gave is not valid any more.

        Raises ``MemoryError``.
        """
        if self._sound is None or len(self._sound.frames) < windows:
            self._sound = None
            self._sound = new_sound(windows, self.layers, self.width // HEAD, frames)
        sound = first_of(self._sound, windows)
        sound.frames[:] = frames
        return sound
