"""How far a task is."""

from dataclasses import dataclass, field

from core.states import ChunkState


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """Chunks and core samples of one task by state."""

    chunks: dict[ChunkState, int] = field(default_factory=dict)
    samples: dict[ChunkState, int] = field(default_factory=dict)

    def count(self, *states: ChunkState) -> int:
        """How many chunks are in one of these states."""
        return sum(self.chunks.get(state, 0) for state in states)

    def length(self, *states: ChunkState) -> int:
        """How many core samples are in chunks of these states."""
        return sum(self.samples.get(state, 0) for state in states)
