"""From spectrograms to attempts at a text, on a CTranslate2 Whisper model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.features import Spectrogram
from core.engines.quality import Attempt, Search
from core.engines.tokens import TokenBook
from core.models import Options

MAX_TOKENS = 448  # the decoder's context; CTranslate2 lets half of it be text, as OpenAI's decoder does
BEST_OF = 5  # samples drawn at a temperature above 0, of which the most probable is kept

Encoded = NDArray[np.float32]  # shape (windows, 1500, model's width)


def storage(array: NDArray[np.float32]) -> Any:
    """The array as CTranslate2 takes it, without a copy."""
    import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


class Decoder:
    """One model's encoder and decoder. CTranslate2 releases the GIL and queues calls: any thread may call this."""

    def __init__(self, model: Any, book: TokenBook) -> None:
        self._model = model
        self._book = book

    def encode(self, spectrogram: Spectrogram) -> Encoded:
        """The encoder's output for one window: a batch in the encoder is slower per window than one by one."""
        return np.asarray(self._model.encode(storage(spectrogram), to_cpu=True), dtype=np.float32)

    def decode(self, encoded: Encoded, options: Options, search: Search) -> list[Attempt]:
        """One attempt for each encoded window, decoded as one batch, without timestamp tokens."""
        results = self._model.generate(
            storage(encoded),
            [self._book.prompt(options)] * len(encoded),
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._book.suppressed(options),
            **_arguments(search),
        )
        return [self._attempt(result, options, search.temperature) for result in results]

    def _attempt(self, result: Any, options: Options, temperature: float) -> Attempt:
        speaker = self._book.speaker(options)
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


def _arguments(search: Search) -> dict[str, Any]:
    if search.temperature > 0:
        return {
            "beam_size": 1,
            "num_hypotheses": BEST_OF,
            "sampling_topk": 0,
            "sampling_temperature": search.temperature,
        }
    return {"beam_size": search.beam_size, "no_repeat_ngram_size": search.no_repeat_tokens}


def stack(encoded: Sequence[Encoded]) -> Encoded:
    """Several encoder outputs as one batch."""
    return encoded[0] if len(encoded) == 1 else np.concatenate(encoded)
