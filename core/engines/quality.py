"""Judging what the decoder wrote: silence, doubt and loops; and what to try next.

The thresholds are those of OpenAI's Whisper (``transcribe.py``: 2.4, -1.0, 0.6), plus a detector of consecutive
repetitions, since a short loop at the end of a long window does not move the compression ratio.

OpenAI's next tries are samples at rising temperatures. Here they are wider searches instead, so that a window has the
same text in every run, alone or in parallel. ADR 0005 has the measurement: sampling was no better.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROB = 0.6

# How often something has to be said in a row to be a loop, by its length in words (or characters, in scripts without
# spaces). People do say "no, no, no, no" and sing a line twice.
_LOOP_AFTER = {1: 7, 2: 5, 3: 4}
_LOOP_AFTER_LONG = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One decoding of one window."""

    tokens: tuple[int, ...]
    text: str
    temperature: float
    avg_logprob: float  # mean natural log of the probability per token
    no_speech_prob: float
    probabilities: tuple[float, ...] = ()  # of each token, where the decoder tells them

    @property
    def compression_ratio(self) -> float:
        """Bytes of the text over bytes of it compressed; see :func:`compression_ratio`."""
        return compression_ratio(self.text)

    @property
    def repetitive(self) -> bool:
        """True where the text looks like a decoder running in circles."""
        return self.compression_ratio > MAX_COMPRESSION_RATIO or is_looped(self.text)

    @property
    def silent(self) -> bool:
        """True where the model itself takes this for no speech and was unsure of every word it wrote."""
        return self.no_speech_prob > MAX_NO_SPEECH_PROB and self.avg_logprob < MIN_AVG_LOGPROB


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """One way to look for a text."""

    beam_size: int
    temperature: float = 0.0  # above 0: the best of several samples, and no beam
    no_repeat_tokens: int = 0  # no sequence of so many tokens may come twice; 0: no such rule


WIDE = Search(beam_size=5)
WITHOUT_LOOPS = Search(beam_size=5, no_repeat_tokens=3)


class Verdict(Enum):
    """What to do with an attempt."""

    KEEP = auto()
    SILENT = auto()  # keep, as empty text
    AGAIN = auto()


def judge(attempt: Attempt) -> Verdict:
    """Whether an attempt is good, is no speech, or should be decoded again."""
    if attempt.silent:
        return Verdict.SILENT
    doubtful = attempt.avg_logprob < MIN_AVG_LOGPROB or attempt.repetitive
    return Verdict.AGAIN if doubtful else Verdict.KEEP


def settle(first: Attempt, again: Callable[[Search], Attempt]) -> Attempt:
    """The first acceptable attempt; where none is, the surest of those that do not repeat themselves, else of all."""
    attempts = [first]
    for search in (WIDE, WITHOUT_LOOPS):
        if judge(attempts[-1]) is Verdict.AGAIN and (search is WIDE or attempts[-1].repetitive):
            attempts.append(again(search))
    if judge(attempts[-1]) is not Verdict.AGAIN:
        return attempts[-1]
    sound = [attempt for attempt in attempts if not attempt.repetitive]
    return max(sound or attempts, key=lambda attempt: attempt.avg_logprob)


def flags(attempt: Attempt) -> tuple[str, ...]:
    """What a reader of a kept attempt should be warned of."""
    found = []
    if attempt.repetitive:
        found.append("repetition")
    if attempt.avg_logprob < MIN_AVG_LOGPROB and not attempt.silent:
        found.append("low_confidence")
    return tuple(found)


def compression_ratio(text: str) -> float:
    """Size of the UTF-8 text over its size under zlib. Speech lies under 2.4; loops lie far above. Empty text: 0."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_looped(text: str) -> bool:
    """True where some phrase follows itself so often that nobody said it."""
    units = _units(text)
    return any(_longest_repeat(units, size) >= _loop_after(size) for size in range(1, len(units) // 3 + 1))


def _units(text: str) -> list[str]:
    words = re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.casefold())
    spaceless = words and sum(map(len, words)) > 12 * len(words)
    return list("".join(words)) if spaceless else words


def _loop_after(size: int) -> int:
    return _LOOP_AFTER.get(size, _LOOP_AFTER_LONG)


def _longest_repeat(units: Sequence[str], size: int) -> int:
    """How often the most repeated phrase of ``size`` units follows itself, itself included."""
    best = run = 0
    for left, right in zip(units, units[size:], strict=False):
        run = run + 1 if left == right else 0
        best = max(best, run)
    return best // size + 1
