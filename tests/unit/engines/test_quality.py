"""The gate that decides which windows are decoded again."""

import random
from dataclasses import replace

import pytest

from core.engines.quality import (
    MAX_COMPRESSION_RATIO,
    WIDE,
    WITHOUT_LOOPS,
    Attempt,
    Search,
    Verdict,
    compression_ratio,
    flags,
    is_looped,
    judge,
    settle,
)

GOOD = Attempt(tokens=(1,), text=" He was here.", temperature=0.0, avg_logprob=-0.3, no_speech_prob=0.1)
LOOP = replace(GOOD, text="thank you very much " * 9)

# Things that people say and that repeat themselves without being loops.
_TRICKY = [
    "No, no, no, no, that is not what I said.",
    "Row, row, row your boat, gently down the stream, merrily, merrily, merrily, merrily, life is but a dream.",
    "Ha ha ha ha ha ha, that was a good one.",
    "Bye bye. Bye bye. Okay, bye bye. See you.",
    "One two three, one two three, one two three, and turn.",
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.",
    "Five five five, zero one two two, extension five five.",
    "We shall fight on the beaches, we shall fight on the landing grounds, we shall fight in the fields.",
    "Happy birthday to you, happy birthday to you, happy birthday dear Anna, happy birthday to you.",
    "A rose is a rose is a rose is a rose.",
    "你好你好, 我们今天讨论一下这个项目的进展情况。",
    "はいはいはい、わかりました。それでは始めましょう。",
    "",
    "Yes.",
    "Thank you. Thank you very much. Thank you.",
]
_SUBJECTS = ("the printer", "an old captain", "my sister", "every student", "the committee", "a small dog", "nobody")
_VERBS = ("found", "carried", "described", "wanted", "repaired", "remembered", "painted")
_OBJECTS = ("the letter", "a wooden box", "his own voice", "two red lamps", "the long road home", "a map of the town")


def clean_texts() -> list[str]:
    """Fifty texts: the tricky ones and made-up prose of one to six sentences."""
    rng = random.Random(7)

    def sentence() -> str:
        when = rng.choice(("today", "again", "at last"))
        return f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)} {when}."

    prose = [" ".join(sentence() for _ in range(rng.randint(1, 6))) for _ in range(50 - len(_TRICKY))]
    return _TRICKY + prose


def looped_texts() -> list[str]:
    """Fifty decoders gone wrong: phrases of 1 to 8 words said 8 to 30 times, alone, after or before real text."""
    rng, loops = random.Random(11), []
    for number in range(50):
        pool = ["so", "the", "you", "know", "I", "think", "it", "is", "we", "are", "to", "see", "a", "big", "one"]
        phrase = " ".join(rng.sample(pool, 1 + number % 8))
        said = ((phrase + rng.choice((" ", ", ", ". "))) * rng.randint(8, 30)).strip()
        before = rng.choice(("", "He told us about the old house by the river. "))
        loops.append(before + said + rng.choice(("", " And then he left the room.")))
    loops[-3:] = ["谢谢观看" * 12, "ご視聴ありがとうございました" * 6, "la " * 40]
    return loops


def test_loops_are_caught() -> None:
    """At least 98 % of 50 synthetic loops."""
    caught = [text for text in looped_texts() if is_looped(text)]
    assert len(caught) >= 49


def test_clean_text_is_left_alone() -> None:
    """Not one of 50 clean texts is taken for a loop."""
    assert len(clean_texts()) == 50
    assert [text for text in clean_texts() if is_looped(text)] == []


def test_a_loop_at_the_end_of_a_long_text_is_caught_though_it_compresses_little() -> None:
    """This is why there is a detector beside the compression ratio."""
    text = (
        "The harbour wakes before the town does. Crates come ashore under yellow lamps, somebody counts them twice and "
        "a boy with a broom pretends not to listen while the mates argue about tides. By six the fish is gone, the "
        "ice has been shovelled back into its shed, and the first bus climbs towards the church with nine passengers."
    ) + " you know" * 6
    assert compression_ratio(text) < MAX_COMPRESSION_RATIO
    assert is_looped(text)


@pytest.mark.parametrize(
    ("attempt", "verdict"),
    [
        (GOOD, Verdict.KEEP),
        (replace(GOOD, avg_logprob=-1.01), Verdict.AGAIN),
        (replace(GOOD, avg_logprob=-1.0), Verdict.KEEP),
        (replace(GOOD, avg_logprob=-1.01, no_speech_prob=0.61), Verdict.SILENT),
        (replace(GOOD, avg_logprob=-0.9, no_speech_prob=0.99), Verdict.KEEP),
        (LOOP, Verdict.AGAIN),
        (replace(GOOD, text="a" * 60), Verdict.AGAIN),
        (replace(GOOD, text=""), Verdict.KEEP),
    ],
)
def test_the_verdict_follows_the_thresholds(attempt: Attempt, verdict: Verdict) -> None:
    """Doubt: decode again. Doubt, and the model says no speech: silence. High no-speech alone proves nothing."""
    assert judge(attempt) is verdict


class Tries:
    """Answers each search with the attempt written down for it, and remembers what was asked."""

    def __init__(self, wide: Attempt, without_loops: Attempt) -> None:
        self.asked: list[Search] = []
        self._answers = {WIDE: wide, WITHOUT_LOOPS: without_loops}

    def __call__(self, search: Search) -> Attempt:
        self.asked.append(search)
        return self._answers[search]


def test_a_good_window_is_not_decoded_again() -> None:
    """The common case costs nothing."""
    tries = Tries(GOOD, GOOD)
    assert settle(GOOD, tries) is GOOD
    assert tries.asked == []


def test_a_doubtful_window_is_searched_more_widely_once() -> None:
    """Low confidence is not cured by forbidding repetitions."""
    doubtful, wider = replace(GOOD, avg_logprob=-1.5), replace(GOOD, avg_logprob=-1.2)
    tries = Tries(wider, GOOD)
    assert settle(doubtful, tries) is wider
    assert tries.asked == [WIDE]


def test_a_wider_search_that_is_worse_is_not_kept() -> None:
    """The surest attempt wins."""
    doubtful, wider = replace(GOOD, avg_logprob=-1.1), replace(GOOD, avg_logprob=-1.4)
    assert settle(doubtful, Tries(wider, GOOD)) is doubtful


def test_a_loop_is_decoded_without_repetitions_in_the_end() -> None:
    """Even a sound but unsure text is better than a sure loop."""
    unsure = replace(GOOD, avg_logprob=-2.0)
    tries = Tries(LOOP, unsure)
    assert settle(LOOP, tries) is unsure
    assert tries.asked == [WIDE, WITHOUT_LOOPS]


def test_what_still_loops_is_kept_and_flagged() -> None:
    """Nothing is deleted in silence: the reader is told."""
    kept = settle(LOOP, Tries(replace(LOOP, avg_logprob=-0.9), replace(LOOP, avg_logprob=-0.8)))
    assert kept is LOOP
    assert flags(kept) == ("repetition",)


def test_flags_tell_of_low_confidence() -> None:
    """But a good text has none, and neither has silence."""
    assert flags(GOOD) == ()
    assert flags(replace(GOOD, avg_logprob=-1.5)) == ("low_confidence",)
    assert flags(replace(GOOD, avg_logprob=-1.5, no_speech_prob=0.9)) == ()
