"""The default engine: Whisper on CTranslate2, with windows encoded one by one and decoded as a batch.

Texts are decoded without timestamp tokens (one pass with them over a whole window loses text, see ADR 0005); times come
from the alignment, corrected by the window's own pauses.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from core.engines.agreement import Votes, agree
from core.engines.alignment import Aligner
from core.engines.decoding import Decoder, Encoded, stack, storage
from core.engines.features import new_extractor, spectrogram
from core.engines.model_files import ModelFiles
from core.engines.pauses import correct, find_pauses
from core.engines.quality import Attempt, Search, flags, settle
from core.engines.segmenting import segments_of
from core.engines.tokens import TokenBook
from core.errors import EngineCancelledError, EngineError
from core.models import SAMPLE_RATE, Language, Options, Pcm, Window, WindowResult
from core.ports import never

MIN_WINDOW_SAMPLES = SAMPLE_RATE // 10  # shorter than any word, and than what the alignment's median filter takes
MAX_DETECT_WINDOWS = 3


class FasterWhisperEngine:
    """Whisper on CTranslate2. One instance, one copy of the weights, serves all slots.

    ``slots``: how many threads will call :meth:`transcribe` at once. One more worker is kept beside them, so that
    finding a new task's language does not wait for a running batch.
    """

    def __init__(self, *, files: ModelFiles, slots: int = 1, device: str = "auto", compute_type: str = "auto") -> None:
        self._files = files
        self._slots = slots
        self._device = device
        self._compute_type = compute_type
        self._lock = threading.Lock()
        self._parts: _Parts | None = None

    def load(self) -> None:
        """Bring the model into memory. Raises ``EngineError`` where CTranslate2 refuses the files or the device."""
        with self._lock:
            if self._parts is None:
                with _translated(f"Model {self._files.name!r} cannot be loaded"):
                    self._parts = _Parts(self._new_model(), self._files)

    def detect_language(self, windows: Sequence[Window]) -> Language:
        """The language that the first windows agree on: as few of them as it takes to be sure, three at most."""
        parts = self._loaded()
        if not parts.multilingual:
            return Language(code="en", probability=1.0)
        heard = [window.pcm for window in windows if _audible(window.pcm)][:MAX_DETECT_WINDOWS]
        if not heard:
            return Language(code="en", probability=0.0)
        with _translated("Finding the language failed"):
            return parts.language(heard)

    def transcribe(
        self, windows: Sequence[Window], options: Options, cancelled: Callable[[], bool] = never
    ) -> list[WindowResult]:
        """One result per window, in order. See :class:`core.ports.Engine`."""
        parts = self._loaded()
        results = [WindowResult(segments=()) for _ in windows]
        audible = [index for index, window in enumerate(windows) if _audible(window.pcm)]
        with _translated("Transcribing failed"):
            parts.book.start(options)  # wrong options are told even where there is nothing to hear
            if audible:
                batch = _Batch(parts, [windows[index].pcm for index in audible], options, cancelled)
                for index, result in zip(audible, batch.results(), strict=True):
                    results[index] = result
        return results

    def _loaded(self) -> "_Parts":
        if self._parts is None:
            self.load()
        assert self._parts is not None
        return self._parts

    def _new_model(self) -> Any:
        import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

        device = self._device
        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
        compute_type = self._compute_type
        if compute_type == "auto":
            compute_type = "float16" if device == "cuda" else "int8"
        return ctranslate2.models.Whisper(
            str(self._files.path),
            device=device,
            compute_type=compute_type,
            inter_threads=self._slots + 1,
            intra_threads=1,
        )


class _Parts:
    """A loaded model and what works on it."""

    def __init__(self, model: Any, files: ModelFiles) -> None:
        self._model = model
        self.multilingual = bool(model.is_multilingual)
        self.book = TokenBook(files.tokenizer, multilingual=self.multilingual)
        self.extractor = new_extractor(int(model.n_mels))
        self.decoder = Decoder(model, self.book)
        self.aligner = Aligner(model, self.book)

    def encode(self, pcm: Pcm) -> Encoded:
        return self.decoder.encode(spectrogram(self.extractor, pcm))

    def language(self, heard: Sequence[Pcm]) -> Language:
        return agree((len(pcm), self._votes(pcm)) for pcm in heard)

    def _votes(self, pcm: Pcm) -> Votes:
        found = self._model.detect_language(storage(self.encode(pcm)))[0]
        return {token.strip("<|>"): probability for token, probability in found}


class _Batch:
    """Windows that are transcribed together, with somebody who may lose interest in between."""

    def __init__(self, parts: _Parts, heard: Sequence[Pcm], options: Options, cancelled: Callable[[], bool]) -> None:
        self._parts = parts
        self._heard = heard
        self._options = options
        self._cancelled = cancelled

    def results(self) -> list[WindowResult]:
        encoded = stack([self._encoded(pcm) for pcm in self._heard])
        self._check()
        search = Search(beam_size=self._options.beam_size, temperature=self._options.temperature)
        firsts = self._parts.decoder.decode(encoded, self._options, search)
        attempts = [self._settled(first, encoded[index : index + 1]) for index, first in enumerate(firsts)]
        self._check()
        texts = [() if attempt.silent else attempt.tokens for attempt in attempts]
        words = self._parts.aligner.align(encoded, texts, [len(pcm) for pcm in self._heard], self._options)
        return [
            _result(attempt, correct(own, find_pauses(pcm), len(pcm) / SAMPLE_RATE))
            for attempt, own, pcm in zip(attempts, words, self._heard, strict=True)
        ]

    def _encoded(self, pcm: Pcm) -> Encoded:
        self._check()
        return self._parts.encode(pcm)

    def _settled(self, first: Attempt, encoded: Encoded) -> Attempt:
        if self._options.temperature > 0:
            return first
        return settle(first, lambda search: self._again(encoded, search))

    def _again(self, encoded: Encoded, search: Search) -> Attempt:
        self._check()
        return self._parts.decoder.decode(encoded, self._options, search)[0]

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
    """CTranslate2 reports everything as RuntimeError or ValueError."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"{what}: {error}. It may help to try again, or with DEVICE=cpu.") from error
