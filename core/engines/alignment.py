"""When each word was said: CTranslate2's alignment of the decoder's attention, read as words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.engines.decoding import Encoded, storage
from core.engines.tokens import TokenBook
from core.models import SAMPLE_RATE, Options, Word

SECONDS_PER_STEP = 0.02  # one position of the encoder's output
SAMPLES_PER_FRAME = 160  # one frame of the spectrogram
_OPENING = frozenset("\"'“‘¿¡([{«「『-")  # noqa: RUF001  other scripts' marks are meant
_CLOSING = frozenset("\"'.。,，!！?？:：;；”’)]}»、」』…-")  # noqa: RUF001  other scripts' marks are meant


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedWord:
    """A word and the tokens that it was made of."""

    word: Word
    tokens: tuple[int, ...]


class Aligner:
    """Word times for texts that the model has just written."""

    def __init__(self, model: Any, book: TokenBook) -> None:
        self._model = model
        self._book = book

    def align(
        self, encoded: Encoded, texts: Sequence[Sequence[int]], samples: Sequence[int], options: Options
    ) -> list[list[TimedWord]]:
        """The words of each text, in order, punctuation joined to its word; seconds from the window's start.

        ``samples``: the length of each window, since the silence that fills it up to 30 s must not be aligned to.
        """
        filled = [index for index, text in enumerate(texts) if text]
        words: list[list[TimedWord]] = [[] for _ in texts]
        if not filled:
            return words
        results = self._model.align(
            storage(encoded if len(filled) == len(texts) else encoded[filled]),
            self._book.start(options),
            [list(texts[index]) for index in filled],
            [max(2, samples[index] // SAMPLES_PER_FRAME) for index in filled],
        )
        for index, result in zip(filled, results, strict=True):
            raw = self._words(result, texts[index], options)
            words[index] = within(join_punctuation(raw), samples[index] / SAMPLE_RATE)
        return words

    def _words(self, result: Any, tokens: Sequence[int], options: Options) -> list[TimedWord]:
        speaker = self._book.speaker(options)
        texts, groups = speaker.split_to_word_tokens([*tokens, speaker.eot])
        pairs = np.array(result.alignments, dtype=np.int64).reshape(-1, 2)
        # The first step of the path at each token: where the attention jumped to it.
        first = np.searchsorted(pairs[:, 0], np.arange(len(tokens) + 1))
        times = pairs[np.minimum(first, len(pairs) - 1), 1] * SECONDS_PER_STEP
        words, at = [], 0
        for text, group in zip(texts[:-1], groups[:-1], strict=True):
            to = at + len(group)
            probability = float(np.mean(result.text_token_probs[at:to]))
            word = Word(start=float(times[at]), end=float(times[to]), text=text, probability=min(1.0, probability))
            words.append(TimedWord(word=word, tokens=tuple(group)))
            at = to
        return words


def join_punctuation(words: Sequence[TimedWord]) -> list[TimedWord]:
    """Opening marks go to the word after them, closing marks to the word before; a mark keeps no time of its own."""
    joined: list[TimedWord] = []
    opening: TimedWord | None = None
    for item in words:
        text = item.word.text
        if _is_only(text, _OPENING) and text.startswith(" "):
            opening = item if opening is None else _glued(opening, item, keep=item)
        elif joined and opening is None and _is_only(text, _CLOSING) and not text.startswith(" "):
            joined[-1] = _glued(joined[-1], item, keep=joined[-1])
        else:
            joined.append(item if opening is None else _glued(opening, item, keep=item))
            opening = None
    return joined if opening is None else [*joined, opening]


def within(words: Sequence[TimedWord], seconds: float) -> list[TimedWord]:
    """The same words with times in whole milliseconds that never fall, inside ``[0, seconds]``."""
    seconds = math.floor(seconds * 1000) / 1000
    bounded, at = [], 0.0
    for item in words:
        start = round(min(max(item.word.start, at), seconds), 3)
        at = round(min(max(item.word.end, start), seconds), 3)
        bounded.append(replace(item, word=replace(item.word, start=start, end=at)))
    return bounded


def _is_only(text: str, marks: frozenset[str]) -> bool:
    stripped = text.strip()
    return bool(stripped) and all(character in marks for character in stripped)


def _glued(left: TimedWord, right: TimedWord, *, keep: TimedWord) -> TimedWord:
    word = replace(keep.word, text=left.word.text + right.word.text)
    return TimedWord(word=word, tokens=left.tokens + right.tokens)
