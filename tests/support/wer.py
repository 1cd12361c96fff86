"""Word error rates, and the words that two texts do not share."""

import warnings

import jiwer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its docstrings have escapes that Python 3.12 warns of when it compiles them
    from whisper_normalizer.english import EnglishTextNormalizer

_NORMALISE = EnglishTextNormalizer()


def normalise(text: str) -> str:
    """Lower case, no punctuation, numbers as digits, spelling made American: as OpenAI's papers compare."""
    return str(_NORMALISE(text))


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Wrong, missing and surplus words per word of the reference; 0.07 is 7 %."""
    return float(jiwer.wer(normalise(reference), normalise(hypothesis)))
