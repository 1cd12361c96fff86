"""Who takes part, and with what settings.

Of our modes, the first is whatever the program does by default; each other one names what it differs in. A decoder or
an encoder that is named is the one that runs: only ``auto`` and a graphics card choose for themselves, and
:mod:`benchmarks.engines.trial` keeps to the processor.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field

BATCHED = ("faster-whisper-batched-8", "faster-whisper-batched-16")
OPENVINO: dict[str, object] = {"decoder": "ctranslate2", "encoder": "openvino"}
CTRANSLATE2: dict[str, object] = {"decoder": "ctranslate2", "encoder": "ctranslate2"}
COMPILED: dict[str, object] = {"decoder": "compiled", "encoder": "compiled"}
GREEDY: dict[str, object] = {"beam_size": 1}
DEFAULT_MODE = "parascribe"


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
    DEFAULT_MODE: Contender(kind="ours"),
    "parascribe-greedy": Contender(kind="ours", settings=GREEDY),
    "parascribe-openvino": Contender(kind="ours", settings=OPENVINO, needs="openvino"),
    "parascribe-openvino-greedy": Contender(kind="ours", settings=OPENVINO | GREEDY, needs="openvino"),
    "parascribe-ctranslate2": Contender(kind="ours", settings=CTRANSLATE2),
    "parascribe-ctranslate2-greedy": Contender(kind="ours", settings=CTRANSLATE2 | GREEDY),
    "parascribe-compiled-greedy": Contender(kind="ours", settings=COMPILED | GREEDY, needs="numba"),
    "faster-whisper": Contender(kind="faster_whisper", settings={"beam": 5, "batch": None}),
    BATCHED[0]: Contender(kind="faster_whisper", settings={"beam": 1, "batch": 8}),
    BATCHED[1]: Contender(kind="faster_whisper", settings={"beam": 1, "batch": 16}),
    "openai-whisper": Contender(kind="openai_whisper", needs="whisper"),
    "whisper-cpp": Contender(kind="whisper_cpp", needs="pywhispercpp"),
}
