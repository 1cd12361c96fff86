"""What the fake engines of a fleet were asked: a line for every attempt at a window, see core/engines/journal.py."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One attempt by one process at one window, named by the SHA-256 of its PCM."""

    pid: int
    window: str


@dataclass(frozen=True, slots=True)
class Journal:
    """Read while it is written."""

    path: Path

    def calls(self, skip: int = 0) -> list[Call]:
        """All attempts but the first ``skip``. A last line that is still being written is left out."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().split("\n")[:-1]
        return [Call(pid=int(pid), window=window) for pid, window in (line.split() for line in lines[skip:])]

    def counts(self, skip: int = 0) -> Counter[str]:
        """Attempts by window."""
        return Counter(call.window for call in self.calls(skip))


def repeated(calls: Sequence[Call]) -> int:
    """How many attempts were not the first at their window."""
    return len(calls) - len({call.window for call in calls})
