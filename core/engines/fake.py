"""An engine for tests: text made from the audio's hash, and on request slow, failing, crashing, hanging or leaking."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from core.engines.fake_spec import FakeSpec, Hang, parse_spec
from core.engines.journal import Journal
from core.errors import EngineCancelledError, EngineError, EngineMemoryError
from core.models import SAMPLE_RATE, Language, Options, Pcm, Segment, Window, WindowResult, Word
from core.ports import never

_WORDS = (
    *("amber", "birch", "cedar", "dune", "ember", "fern", "grove", "heron", "iris", "jade", "kelp", "lark", "maple"),
    *("nettle", "oak", "pine", "quartz", "reed", "sage", "thorn", "umber", "violet", "willow", "yarrow", "zinnia"),
    *("basil", "clover", "daisy", "elm", "flint", "ginger", "hazel"),
)
_SECONDS_PER_WORD = 0.5
_POLL_SECONDS = 0.02


class FakeEngine:
    """Deterministic: the same PCM has the same words, alone or in any batch, in any process. Silence has none."""

    def __init__(self, spec: FakeSpec | None = None) -> None:
        self._spec = spec or FakeSpec()
        self._journal = Journal(self._spec.journal) if self._spec.journal else None
        self._lock = threading.Lock()
        self._loaded = False
        self._leaked: list[bytearray] = []

    @classmethod
    def from_json(cls, text: str) -> "FakeEngine":
        """An engine as ``FAKE_ENGINE`` describes it. Raises ``InvalidRequestError`` where that is wrong."""
        return cls(parse_spec(text))

    def load(self) -> None:
        """Take ``load_seconds``, once."""
        with self._lock:
            if not self._loaded:
                _sleep(self._spec.load_seconds, never)
                self._loaded = True

    def detect_language(self, windows: Sequence[Window]) -> Language:
        """Always English, after ``detect_hang_seconds``."""
        del windows  # the answer does not depend on them
        _sleep(self._spec.detect_hang_seconds, never)
        return Language(code="en", probability=0.99)

    def transcribe(
        self, windows: Iterable[Window], options: Options, cancelled: Callable[[], bool] = never
    ) -> list[WindowResult]:
        """One result per window, in order. See :class:`core.ports.Engine`."""
        if options.language is None:
            raise EngineError("The language of the windows was not set; find it with detect_language first.")
        self.load()
        return [self._one(window.pcm, cancelled) for window in windows]

    def _one(self, pcm: Pcm, cancelled: Callable[[], bool]) -> WindowResult:
        _check(cancelled)
        digest = hashlib.sha256(pcm.tobytes()).hexdigest()
        self._trouble(digest, self._noted(digest), cancelled)
        if self._spec.speed > 0:
            _sleep(len(pcm) / SAMPLE_RATE / self._spec.speed, cancelled)
        return _result(pcm, _salted(digest, self._spec.salt))

    def _noted(self, digest: str) -> int:
        """Put this attempt into the journal; how many there were before it."""
        if self._journal is None:
            return 0
        earlier = self._journal.count(digest) if self._spec.counts else 0
        self._journal.note(digest)
        return earlier

    def _trouble(self, digest: str, earlier: int, cancelled: Callable[[], bool]) -> None:
        spec = self._spec
        if spec.leak_mb:
            self._leaked.append(bytearray(os.urandom(1024)) * int(spec.leak_mb * 1024))
        if spec.crash and spec.crash.hits(digest, earlier):
            os.kill(os.getpid(), spec.crash.number)
        if spec.hoard and spec.hoard.hits(digest, earlier):
            bytes(bytearray(b"x") * (spec.hoard.megabytes << 20))
        if spec.hang and spec.hang.hits(digest, earlier):
            _hang(spec.hang, cancelled)
        if spec.exhaust and spec.exhaust.hits(digest, earlier):
            raise EngineMemoryError(f"The fake engine was told to find no memory for window {digest[:12]}.")
        if spec.fail and spec.fail.hits(digest, earlier):
            raise EngineError(f"The fake engine was told to fail on window {digest[:12]}.")


def _hang(hang: Hang, cancelled: Callable[[], bool]) -> None:
    _sleep(hang.seconds, never if hang.deaf else cancelled)


def _check(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise EngineCancelledError("The batch was given up before it was finished: nobody wants its result any more.")


def _sleep(seconds: float, cancelled: Callable[[], bool]) -> None:
    """Wait on an event that never comes, looking up now and then whether anybody still wants the result."""
    event, deadline = threading.Event(), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        event.wait(min(left, _POLL_SECONDS))
        _check(cancelled)


def _salted(digest: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}{digest}".encode()).hexdigest() if salt else digest


def _result(pcm: Pcm, digest: str) -> WindowResult:
    if not np.any(pcm):
        return WindowResult(segments=())
    words = _words(len(pcm) / SAMPLE_RATE, bytes.fromhex(digest))
    segment = Segment(
        start=words[0].start, end=words[-1].end, text="".join(word.text for word in words), words=tuple(words)
    )
    return WindowResult(segments=(segment,), avg_logprob=-0.1, compression_ratio=1.0)


def _words(seconds: float, seed: bytes) -> list[Word]:
    """A word for each half second and at least one, spread evenly over the window."""
    count = max(1, int(seconds / _SECONDS_PER_WORD))
    step = seconds / count
    return [
        Word(
            start=round(step * index, 3),
            end=min(seconds, round(step * (index + 1), 3)),
            text=" " + _WORDS[(seed[index % len(seed)] + index) % len(_WORDS)],
            probability=0.9,
        )
        for index in range(count)
    ]
