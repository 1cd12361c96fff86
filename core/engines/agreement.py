"""Which language several windows agree on, hearing no more of them than it takes."""

from collections.abc import Iterable, Mapping

from core.models import SAMPLE_RATE, Language

SURE = 0.9  # mean probability from which no further window would change the answer
SURE_AFTER = 10 * SAMPLE_RATE  # of speech; less may be a greeting in another language

Votes = Mapping[str, float]  # probability by language code


def agree(windows: Iterable[tuple[int, Votes]]) -> Language:
    """The language of windows given as (samples, probabilities): averaged, weighted by length.

    Takes windows one by one and stops as soon as it is sure, so that a lazy iterable is spared the rest: to encode one
    window takes as long as to transcribe half of it. There must be one window at least.
    """
    totals: dict[str, float] = {}
    heard, best = 0, ""
    for samples, votes in windows:
        heard += samples
        for code, probability in votes.items():
            totals[code] = totals.get(code, 0.0) + probability * samples
        best = max(totals, key=lambda code: totals[code])
        if heard >= SURE_AFTER and totals[best] >= SURE * heard:
            break
    return Language(code=best, probability=min(1.0, totals[best] / heard))
