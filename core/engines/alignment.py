"""When each word was said: the decoder's attention, read as words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.models import SAMPLE_RATE, Word

SECONDS_PER_STEP = 0.02  # one position of the encoder's output
SAMPLES_PER_FRAME = 160  # one frame of the spectrogram
_OPENING = frozenset("\"'“‘¿¡([{«「『-")  # noqa: RUF001  other scripts' marks are meant
_CLOSING = frozenset("\"'.。,，!！?？:：;；”’)]}»、」』…-")  # noqa: RUF001  other scripts' marks are meant


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedWord:
    """A word and the tokens that it was made of."""

    word: Word
    tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenTimes:
    """Where the tokens of one text begin, in steps of 20 ms from the window's start: shape (tokens + 1,), the last one
    being the end; and the probability of each token."""

    starts: NDArray[np.int64]
    probabilities: Sequence[float]


def words_of(tokens: Sequence[int], times: TokenTimes, samples: int, speaker: Any) -> list[TimedWord]:
    """The words of a text, in order, punctuation joined to its word; seconds from the window's start.

    ``speaker``: the tokenizer of the text's language.
    """
    texts, groups = speaker.split_to_word_tokens([*tokens, speaker.eot])
    seconds = times.starts * SECONDS_PER_STEP
    words, at = [], 0
    for text, group in zip(texts[:-1], groups[:-1], strict=True):
        to = at + len(group)
        probability = float(np.mean(times.probabilities[at:to]))
        word = Word(start=float(seconds[at]), end=float(seconds[to]), text=text, probability=min(1.0, probability))
        words.append(TimedWord(word=word, tokens=tuple(group)))
        at = to
    return within(join_punctuation(words), samples / SAMPLE_RATE)


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
