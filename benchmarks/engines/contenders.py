"""Who takes part, and with what settings."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field

BATCHED = ("faster-whisper-batched-8", "faster-whisper-batched-16")


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One way to turn a file into text. ``settings``: of this program, or arguments of the peer's constructor in
    :mod:`benchmarks.engines.peers`. ``needs``: the module without which it sits out."""

    kind: str
    settings: Mapping[str, object] = field(default_factory=dict)
    needs: str = "faster_whisper"

    @property
    def ours(self) -> bool:
        """Whether it is this project's."""
        return self.kind == "ours"

    @property
    def missing(self) -> bool:
        """What it needs is not installed."""
        return importlib.util.find_spec(self.needs) is None


CONTENDERS: Mapping[str, Contender] = {
    "parascribe": Contender(kind="ours"),
    "parascribe-greedy": Contender(kind="ours", settings={"beam_size": 1}),
    "parascribe-compiled": Contender(kind="ours", settings={"decoder": "compiled", "encoder": "auto"}, needs="numba"),
    "parascribe-compiled-greedy": Contender(
        kind="ours", settings={"decoder": "compiled", "encoder": "auto", "beam_size": 1}, needs="numba"
    ),
    "faster-whisper": Contender(kind="faster_whisper", settings={"beam": 5, "batch": None}),
    BATCHED[0]: Contender(kind="faster_whisper", settings={"beam": 1, "batch": 8}),
    BATCHED[1]: Contender(kind="faster_whisper", settings={"beam": 1, "batch": 16}),
    "openai-whisper": Contender(kind="openai_whisper", needs="whisper"),
    "whisper-cpp": Contender(kind="whisper_cpp", needs="pywhispercpp"),
}
