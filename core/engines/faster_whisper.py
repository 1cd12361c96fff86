"""The default engine: Whisper, with windows encoded one by one and decoded as a batch.

Texts are decoded without timestamp tokens (one pass with them over a whole window loses text, see ADR 0005); times come
from the alignment, corrected by the window's own pauses.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import length_hint
from typing import Any

import numpy as np

from core.engines.agreement import agree
from core.engines.alignment import TimedWord, words_of
from core.engines.backend import Backend
from core.engines.memory import Halving, Part
from core.engines.pauses import correct, find_pauses
from core.engines.quality import Attempt, Search, flags, settle
from core.engines.segmenting import segments_of
from core.errors import EngineCancelledError, EngineError
from core.models import SAMPLE_RATE, Language, Options, Pcm, Window, WindowResult
from core.ports import never

MIN_WINDOW_SAMPLES = SAMPLE_RATE // 10  # shorter than any word, and than what the alignment's median filter takes
MAX_DETECT_WINDOWS = 3
Settle = Callable[[Attempt, Callable[[Search], Attempt]], Attempt]  # as core.engines.quality.settle


class FasterWhisperEngine:
    """Whisper. One instance, one copy of the weights, serves all slots.

    ``build`` loads what runs the network; ``settle`` makes of a window's first attempt the one that is kept.
    """

    def __init__(self, build: Callable[[], Backend], *, name: str, settle: Settle = settle) -> None:
        self._build = build
        self._name = name
        self._settle = settle
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._halving = Halving()

    def load(self) -> None:
        """Bring the model into memory. Raises ``EngineError`` where the files or the device are refused."""
        with self._lock:
            if self._backend is None:
                with _translated(f"Model {self._name!r} cannot be loaded"):
                    self._backend = self._build()

    def detect_language(self, windows: Sequence[Window]) -> Language:
        """The language that the first windows agree on: as few of them as it takes to be sure, three at most."""
        backend = self._loaded()
        if not backend.multilingual:
            return Language(code="en", probability=1.0)
        heard = [window.pcm for window in windows if _audible(window.pcm)][:MAX_DETECT_WINDOWS]
        if not heard:
            return Language(code="en", probability=0.0)
        with _translated("Finding the language failed"):
            return agree((len(pcm), backend.votes(pcm)) for pcm in heard)

    def transcribe(
        self, windows: Iterable[Window], options: Options, cancelled: Callable[[], bool] = never
    ) -> list[WindowResult]:
        """One result per window, in order. See :class:`core.ports.Engine`."""
        backend, speech = self._loaded(), _Speech(windows)
        with _translated("Transcribing failed"):
            backend.book.start(options)  # wrong options are told even where there is nothing to hear
            done = self._halving.run(
                lambda some: _Batch(backend, some, options, self._settle, cancelled).results(), speech
            )
        results = [WindowResult(segments=()) for _ in range(speech.count)]
        for index, result in zip(speech.places, done, strict=True):
            results[index] = result
        return results

    def _loaded(self) -> Backend:
        if self._backend is None:
            self.load()
        assert self._backend is not None
        return self._backend


class _Speech(Iterator[Pcm]):
    """What can be heard of windows, as they come. ``count``: of all that came; ``places``: of those that can be heard
    among them."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._windows = iter(windows)
        self.count, self.places = 0, list[int]()

    def __next__(self) -> Pcm:
        for window in self._windows:
            self.count += 1
            if _audible(window.pcm):
                self.places.append(self.count - 1)
                return window.pcm
        raise StopIteration

    def __length_hint__(self) -> int:
        return length_hint(self._windows)


class _Batch:
    """Windows that are transcribed together, with somebody who may lose interest in between."""

    def __init__(
        self,
        backend: Backend,
        windows: Part[Pcm],
        options: Options,
        settle: Settle,
        cancelled: Callable[[], bool],
    ) -> None:
        self._backend = backend
        self._windows = windows
        self._options = options
        self._settle = settle
        self._cancelled = cancelled

    def results(self) -> list[WindowResult]:
        heard = self._backend.hear(self._windows, self._check)
        search = Search(beam_size=self._options.beam_size, temperature=self._options.temperature)
        firsts = self._decode(heard, range(len(self._windows.taken)), search)
        attempts = [self._settled(heard, index, first) for index, first in enumerate(firsts)]
        self._check()
        words = self._words(heard, attempts)
        return [
            _result(attempt, correct(own, find_pauses(pcm), len(pcm) / SAMPLE_RATE))
            for attempt, own, pcm in zip(attempts, words, self._windows.taken, strict=True)
        ]

    def _words(self, heard: Any, attempts: Sequence[Attempt]) -> list[list[TimedWord]]:
        spoken = [replace(attempt, tokens=()) if attempt.silent else attempt for attempt in attempts]
        samples = [len(pcm) for pcm in self._windows.taken]
        times = self._backend.align(heard, spoken, samples, self._options)
        speaker = self._backend.book.speaker(self._options)
        return [
            words_of(attempt.tokens, own, length, speaker) if own else []
            for attempt, own, length in zip(spoken, times, samples, strict=True)
        ]

    def _settled(self, heard: Any, index: int, first: Attempt) -> Attempt:
        if self._options.temperature > 0:
            return first
        return self._settle(first, lambda search: self._decode(heard, [index], search)[0])

    def _decode(self, heard: Any, which: Sequence[int], search: Search) -> list[Attempt]:
        return self._backend.decode(heard, which, self._options, search, self._check)

    def _check(self) -> None:
        if self._cancelled():
            raise EngineCancelledError(
                "The batch was given up before it was finished: nobody wants its result any more."
            )


def _result(attempt: Attempt, words: Sequence[Any]) -> WindowResult:
    return WindowResult(
        segments=segments_of(words),
        temperature=attempt.temperature,
        avg_logprob=attempt.avg_logprob,
        compression_ratio=attempt.compression_ratio,
        no_speech_prob=attempt.no_speech_prob,
        flags=flags(attempt),
    )


def _audible(pcm: Pcm) -> bool:
    """False for what needs no model: too short for a word, or digital silence (one step of dither allowed)."""
    return len(pcm) >= MIN_WINDOW_SAMPLES and int(np.abs(pcm.astype(np.int32)).max()) > 1


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """CTranslate2 and OpenVINO report everything as RuntimeError or ValueError."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"{what}: {error}. It may help to try again, or with DEVICE=cpu.") from error
