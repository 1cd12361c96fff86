"""Whisper on CTranslate2: what runs it on a GPU, and on processors that the compiled decoder was not made for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.engines.agreement import Votes
from core.engines.alignment import SAMPLES_PER_FRAME, TokenTimes
from core.engines.features import Spectrogram, new_bands, spectrogram
from core.engines.model_files import ModelFiles
from core.engines.quality import Attempt, Search
from core.engines.tokens import TokenBook
from core.models import Options, Pcm

MAX_TOKENS = 448  # the decoder's context; CTranslate2 lets half of it be text, as OpenAI's decoder does
BEST_OF = 5  # samples drawn at a temperature above 0, of which the most probable is kept

Encoded = NDArray[np.float32]  # shape (windows, 1500, model's width)


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a model runs: so many threads of CTranslate2's own, on each of these cards (a processor is number 0)."""

    workers: int
    cards: tuple[int, ...] = (0,)


def load_model(files: ModelFiles, *, device: str, compute_type: str, places: Places) -> Any:
    """A CTranslate2 model."""
    import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

    return ctranslate2.models.Whisper(
        str(files.path),
        device=device,
        device_index=list(places.cards),
        compute_type=compute_type,
        inter_threads=places.workers,
        intra_threads=1,
    )


def storage(array: NDArray[np.float32]) -> Any:
    """The array as CTranslate2 takes it, without a copy."""
    import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


class StatesEncoder(Protocol):
    """An encoder in place of CTranslate2's own."""

    def project(self, mel: Spectrogram) -> list[Encoded]:
        """One array, what was heard: (frames, width). Valid until the next call of the same thread."""


class CTranslate2Backend:
    """Implements :class:`core.engines.backend.Backend`. CTranslate2 releases the GIL and queues calls."""

    def __init__(self, model: Any, files: ModelFiles, encoder: StatesEncoder | None = None) -> None:
        self._model = model
        self._encoder = encoder
        self.multilingual = bool(model.is_multilingual)
        self.book = TokenBook(files.tokenizer, multilingual=self.multilingual)
        self._bands = new_bands(int(model.n_mels))

    def hear(self, windows: Iterable[Pcm], check: Callable[[], None]) -> Encoded:
        """The encoder's output: a batch in the encoder is slower per window than one by one."""
        encoded = []
        for pcm in windows:
            check()
            encoded.append(self._encode(pcm))
        return encoded[0] if len(encoded) == 1 else np.concatenate(encoded)

    def decode(
        self, heard: Encoded, which: Sequence[int], options: Options, search: Search, check: Callable[[], None]
    ) -> list[Attempt]:
        """One attempt for each window."""
        check()
        results = self._model.generate(
            storage(heard[list(which)]),
            [self.book.prompt(options)] * len(which),
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self.book.suppressed(options),
            **_arguments(search),
        )
        return [self._attempt(result, options, search.temperature) for result in results]

    def align(
        self, heard: Encoded, attempts: Sequence[Attempt], samples: Sequence[int], options: Options
    ) -> list[TokenTimes | None]:
        """By CTranslate2's own alignment."""
        times: list[TokenTimes | None] = [None for _ in attempts]
        filled = [index for index, attempt in enumerate(attempts) if attempt.tokens]
        if not filled:
            return times
        results = self._model.align(
            storage(heard[filled]),
            self.book.start(options),
            [list(attempts[index].tokens) for index in filled],
            [max(2, samples[index] // SAMPLES_PER_FRAME) for index in filled],
        )
        for index, result in zip(filled, results, strict=True):
            times[index] = _times(result, len(attempts[index].tokens))
        return times

    def votes(self, pcm: Pcm) -> Votes:
        """CTranslate2's own language detection."""
        found = self._model.detect_language(storage(self._encode(pcm)))[0]
        return {token.strip("<|>"): probability for token, probability in found}

    def _encode(self, pcm: Pcm) -> Encoded:
        mel = spectrogram(self._bands, pcm)
        if self._encoder is not None:
            return np.array(self._encoder.project(mel))
        return np.asarray(self._model.encode(storage(mel), to_cpu=True), dtype=np.float32)

    def _attempt(self, result: Any, options: Options, temperature: float) -> Attempt:
        speaker = self.book.speaker(options)
        tokens = tuple(int(token) for token in result.sequences_ids[0] if token < speaker.eot)
        length = len(result.sequences_ids[0])
        return Attempt(
            tokens=tokens,
            text=speaker.decode(list(tokens)).strip(),
            temperature=temperature,
            # The score is the mean over the text; OpenAI's threshold counts the end-of-text token as well.
            avg_logprob=float(result.scores[0]) * length / (length + 1),
            no_speech_prob=float(result.no_speech_prob),
        )


def _times(result: Any, tokens: int) -> TokenTimes:
    pairs = np.array(result.alignments, dtype=np.int64).reshape(-1, 2)
    # The first step of the path at each token: where the attention jumped to it.
    first = np.searchsorted(pairs[:, 0], np.arange(tokens + 1))
    return TokenTimes(starts=pairs[np.minimum(first, len(pairs) - 1), 1], probabilities=result.text_token_probs)


def _arguments(search: Search) -> dict[str, Any]:
    if search.temperature > 0:
        return {
            "beam_size": 1,
            "num_hypotheses": BEST_OF,
            "sampling_topk": 0,
            "sampling_temperature": search.temperature,
        }
    return {"beam_size": search.beam_size, "no_repeat_ngram_size": search.no_repeat_tokens}
