"""The values that travel between the parts. All frozen; time inside is integer samples at 16 kHz."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.states import ChunkState, TaskStatus

SAMPLE_RATE = 16_000  # samples per second of all audio after decoding: mono, signed 16 bit
MAX_WINDOW_SAMPLES = 30 * SAMPLE_RATE  # what Whisper's encoder takes at once

Pcm = NDArray[np.int16]  # shape (samples,), 16 kHz mono

TaskKind = Literal["transcribe", "translate"]
ChunkStrategy = Literal["vad", "fixed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How the windows of one task are to be transcribed. Equal options may share a batch."""

    model: str
    language: str | None = None  # ISO code; None until it is found
    task: TaskKind = "transcribe"
    prompt: str | None = None
    temperature: float = 0.0  # 0: automatic fallback up the ladder, as in OpenAI's API; above 0: that one only
    beam_size: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class CutPlan:
    """How one task is cut; stored with it, so that a second attempt cuts at the same places."""

    strategy: ChunkStrategy = "vad"
    chunk_seconds: float = 30.0  # for ``fixed``; at most 28, see core.audio.split


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """One window as the splitter found it, in samples from the start of the audio.

    ``[start, end)`` is what the engine hears; ``[core_start, core_end)`` is the part that this window answers for.
    The two differ only where neighbours overlap. Cores never overlap, so their lengths add up exactly.
    """

    index: int
    start: int
    end: int
    core_start: int
    core_end: int

    @property
    def overlaps_left(self) -> bool:
        """True where the window before it heard the first samples too."""
        return self.core_start > self.start

    @property
    def overlaps_right(self) -> bool:
        """True where the window after it hears the last samples too."""
        return self.end > self.core_end


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One window as the engine gets it. ``pcm``: int16, shape (samples,), at most 30 s at 16 kHz."""

    pcm: Pcm


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """A language as the model names it (ISO 639-1 mostly) and how sure it was, 0 to 1."""

    code: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One word, its leading space kept. Seconds from the window's start; in a transcript, from the task's start."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A sentence or what stands between two pauses. Seconds as in :class:`Word`; ``text`` is its words joined."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...]
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowResult:
    """What the engine made of one window, with the figures by which the gate judged it."""

    segments: tuple[Segment, ...]
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0
    flags: tuple[str, ...] = ()  # e.g. "repetition": kept, but suspect

    @property
    def text(self) -> str:
        """All segments in one line."""
        return "".join(segment.text for segment in self.segments).strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """Where the original lies and what it is."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Idempotency:
    """By what an upload that is sent again is known (draft-ietf-httpapi-idempotency-key-header)."""

    key: str  # SHA-256 of the client's key, hex
    fingerprint: str  # SHA-256 of all that the client sent, hex
    language: str | None  # as the task was accepted with, so that the first answer can be given again


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a task or a chunk ended badly: a stable code and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Where every sample of the audio went. When the task has ended, the three add up to its duration."""

    transcribed_samples: int = 0
    silent_samples: int = 0
    failed_samples: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One upload and its transcript, as stored."""

    id: str
    status: TaskStatus
    filename: str
    options: Options
    word_timestamps: bool
    max_parallel_workers: int | None
    plan: CutPlan
    upload: Upload
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    language_probability: float | None = None
    duration_samples: int | None = None  # known when the whole file is decoded
    declared_samples: int | None = None  # what the file says of itself, for the progress until then
    chunks_total: int | None = None  # known when the whole file is cut
    chunks_cut: int = 0  # how many are known so far
    chunks_completed: int = 0
    chunks_failed: int = 0
    progress: float = 0.0  # 0 to 1, never falls
    coverage: Coverage = field(default_factory=Coverage)
    error: Failure | None = None
    warnings: tuple[str, ...] = ()  # what was wrong with the file though it could be read, a sentence each
    deleted: bool = False
    owner: str | None = None  # the worker that prepares it
    fence: int = 0
    attempts: int = 0  # of preparing it
    interruptions: int = 0  # times that a worker died while preparing it, for a reason that may not be its fault
    idempotency: Idempotency | None = None  # None: sent without a key, or the key is forgotten

    @property
    def prepared(self) -> bool:
        """True when every window is known."""
        return self.chunks_total is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """One window of a task, as stored. ``result`` has seconds from the window's start."""

    task_id: str
    cut: Cut
    state: ChunkState
    owner: str | None = None
    fence: int = 0
    attempts: int = 0
    interruptions: int = 0  # times that a worker died under it for a reason that may not be its fault
    error: Failure | None = None
    result: WindowResult | None = None

    @property
    def pcm_key(self) -> str:
        """Where its audio lies in the blob store."""
        return f"pcm/{self.task_id}/{self.cut.index:06d}"
