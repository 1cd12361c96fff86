"""Forced cuts through speech that two windows hear differently: how many words are lost or doubled."""

import asyncio
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from core.models import SAMPLE_RATE, Chunk, Cut
from core.transcript.overlap import normalise
from tests.unit.transcript.transcripts import Spoken, all_words, cut, heard, joined

SPOKEN_WORDS = """
the a of and to in he was that it his with for had on not but as at by she which said from they him been would
there what were when who them will more no so some house river morning twenty-one people government remember
understand o'clock window tomorrow anything yesterday street children question
"""
VOCABULARY = SPOKEN_WORDS.split()


def speech(random: Random, seconds: float) -> list[Spoken]:
    """A true word sequence without pauses; a word may come again, though not at once."""
    spoken: list[Spoken] = []
    now, last = 0.05, ""
    while now < seconds - 1:
        text = random.choice([w for w in VOCABULARY if w != last])
        end = now + min(0.12 + 0.05 * len(text) * random.uniform(0.7, 1.6), 0.9)
        spoken.append((f" {text}", now, end))
        now, last = end + random.choice([0.0, 0.02, 0.1]), text
    return spoken


def windows(random: Random, count: int) -> list[Cut]:
    """Contiguous cores of 5 to 28 s, each heard one second beyond either border."""
    borders = [0.0]
    for _ in range(count):
        borders.append(round(borders[-1] + random.uniform(5, 28), 3))
    last = count - 1
    return [
        cut(i, (borders[i], borders[i + 1]), left=1.0 if i else 0.0, right=0.0 if i == last else 1.0)
        for i in range(count)
    ]


def hears(random: Random, window: Cut, spoken: list[Spoken], *, garbled: bool) -> Chunk:
    """What one side makes of its window: times off by up to 0.2 s, and words at its edges half heard or dropped."""
    start, end = window.start / SAMPLE_RATE, window.end / SAMPLE_RATE
    mine = [s for s in spoken if s[1] >= start and s[2] <= end]
    if garbled:
        mine = half_words(random, window, spoken, mine)
    return heard(window, in_time(random, mine, start, end))


def half_words(random: Random, window: Cut, spoken: list[Spoken], mine: list[Spoken]) -> list[Spoken]:
    """The words that the window's edges cut: garbled or not heard; sometimes the whole word beside them is lost too."""
    start, end = window.start / SAMPLE_RATE, window.end / SAMPLE_RATE
    if window.overlaps_left and random.random() < 0.3:
        mine = mine[1:]
    if window.overlaps_right and random.random() < 0.3:
        mine = mine[:-1]
    first = [(f" {t.strip()[len(t) // 2 :]}", start, b) for t, a, b in spoken if a < start < b]
    last = [(t[: 1 + len(t) // 2], a, end) for t, a, b in spoken if a < end < b]
    return [*random.choice([[], first]), *mine, *random.choice([[], last])]


def in_time(random: Random, mine: list[Spoken], start: float, end: float) -> list[Spoken]:
    """The same words with jitter that keeps their order, as an alignment does."""
    out: list[Spoken] = []
    now = start
    for text, a, b in mine:
        begin = min(max(now, a + random.uniform(-0.2, 0.2)), end)
        now = min(max(begin, b + random.uniform(-0.2, 0.2)), end)
        out.append((text, begin, now))
    return out


def transcribed(seed: int, *, joins: int, garbled: bool) -> tuple[list[str], list[str], list[tuple[float, float]]]:
    """The true words, the words of the joined transcript, and its times in the order of the text."""
    random = Random(seed)
    cuts = windows(random, joins + 1)
    spoken = speech(random, cuts[-1].end / SAMPLE_RATE)
    pieces = asyncio.run(joined(*(hears(random, c, spoken, garbled=garbled) for c in cuts)))
    words = all_words(pieces)
    times = [(w.start, w.end) for w in words]
    return [normalise(s[0]) for s in spoken], [normalise(w.text) for w in words], times


def errors(truth: list[str], got: list[str]) -> int:
    """Words lost plus words too many, by edit distance without substitution."""
    row = list(range(len(got) + 1))
    for i, a in enumerate(truth, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(got, 1):
            diagonal, row[j] = row[j], diagonal if a == b else 1 + min(row[j], row[j - 1])
    return row[-1]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_clean_words_are_neither_lost_nor_doubled(seed):
    """Each side heard all its whole words: the join is the truth, whatever the jitter."""
    truth, got, times = transcribed(seed, joins=3, garbled=False)
    assert got == truth
    flat = [t for pair in times for t in pair]
    assert flat == sorted(flat)


def test_half_heard_words_cost_at_most_one_word_in_ten_joins():
    """Edge words dropped or garbled on either side: over 300 joins, at most 30 words lost or doubled."""
    total = Counter[str]()
    for seed in range(60):
        truth, got, times = transcribed(seed, joins=5, garbled=True)
        total["errors"] += errors(truth, got)
        flat = [t for pair in times for t in pair]
        assert flat == sorted(flat)
    assert total["errors"] <= 30


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_segments_are_in_order_and_hold_their_words(seed):
    """Whatever was garbled: segments follow each other, and each one's words lie in it and make up its text."""
    random = Random(seed)
    cuts = windows(random, 4)
    spoken = speech(random, cuts[-1].end / SAMPLE_RATE)
    pieces = asyncio.run(joined(*(hears(random, c, spoken, garbled=True) for c in cuts)))
    clock = 0.0
    for piece in pieces:
        assert clock <= piece.start <= piece.words[0].start
        assert piece.words[-1].end <= piece.end
        assert piece.text == "".join(w.text for w in piece.words)
        clock = piece.end
