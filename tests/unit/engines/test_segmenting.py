"""From words to segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.alignment import TimedWord, join_punctuation, within
from core.engines.segmenting import MAX_CHARACTERS, MAX_SECONDS, segments_of
from core.models import Word


def timed(*texts: str, step: float = 0.4, gap_after: dict[int, float] | None = None) -> list[TimedWord]:
    """Words of ``step`` seconds each, with a pause behind those named."""
    words, at = [], 0.0
    for index, text in enumerate(texts):
        words.append(TimedWord(word=Word(start=at, end=at + step, text=text, probability=0.9), tokens=(index,)))
        at += step + (gap_after or {}).get(index, 0.0)
    return words


def sentences(words: list[TimedWord]) -> list[str]:
    return [segment.text for segment in segments_of(words)]


def test_a_segment_ends_with_its_sentence() -> None:
    """At a full stop, question or exclamation mark, also inside quotation marks."""
    words = timed(" He", " left.", " Why?", ' "Go!"', " I", " said")
    assert sentences(words) == [" He left.", " Why?", ' "Go!"', " I said"]


def test_an_abbreviation_ends_nothing() -> None:
    """Nor does an initial, nor a point before a small letter."""
    assert len(sentences(timed(" Mr.", " John", " F.", " Smith", " et", " al.", " agreed."))) == 1


def test_a_pause_ends_a_segment() -> None:
    """From 0.6 s on."""
    words = timed(" one", " two", " three", " four", gap_after={0: 0.5, 1: 0.6})
    assert sentences(words) == [" one two", " three four"]


def test_long_speech_is_cut_at_its_comma() -> None:
    """Rather than in the middle of a clause."""
    texts = [" word"] * 18 + [" word,"] + [" word"] * 17
    parts = sentences(timed(*texts))
    assert parts == [" word" * 18 + " word,", " word" * 17]


def test_scripts_without_spaces_end_at_their_own_marks() -> None:
    """The ideographic full stop counts."""
    assert sentences(timed("今天", "很好。", "你好")) == ["今天很好。", "你好"]


def test_no_words_are_no_segments() -> None:
    """Silence."""
    assert segments_of([]) == ()


@given(st.lists(st.tuples(st.sampled_from([" a", " word,", " end.", " Mr.", "字", " long-ish-word"]),
                          st.floats(0, 3), st.floats(0, 2)), max_size=120))  # fmt: skip
def test_every_word_is_in_one_segment_and_none_is_too_long(rows: list[tuple[str, float, float]]) -> None:
    """Whatever the words: nothing is lost, times are the words', lengths are bounded unless one word breaks them."""
    words, at = [], 0.0
    for index, (text, seconds, gap) in enumerate(rows):
        words.append(TimedWord(word=Word(start=at, end=at + seconds, text=text, probability=1.0), tokens=(index,)))
        at += seconds + gap
    segments = segments_of(words)
    assert [word for segment in segments for word in segment.words] == [item.word for item in words]
    assert [token for segment in segments for token in segment.tokens] == list(range(len(rows)))
    for segment in segments:
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
        fits = segment.end - segment.start <= MAX_SECONDS and len(segment.text) <= MAX_CHARACTERS
        assert fits or len(segment.words) == 1


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        ((" Hello", ",", " you", "!"), [" Hello,", " you!"]),
        ((' "', "Go", '!"', " he"), [' "Go!"', " he"]),
        ((" (", "yes", ")."), [" (yes)."]),
        ((" alone", " -"), [" alone", " -"]),
        (("、", "好", "。"), ["、", "好。"]),
    ],
)
def test_punctuation_joins_its_word(texts: tuple[str, ...], joined: list[str]) -> None:
    """No text and no token is lost, and a word's time stays the word's."""
    result = join_punctuation(timed(*texts))
    assert [item.word.text for item in result] == joined
    assert [token for item in result for token in item.tokens] == list(range(len(texts)))


def test_times_are_put_in_order_and_inside_the_window() -> None:
    """Alignments can run backwards or past the end."""
    wild = [(0.5, 0.4), (0.2, 0.9), (0.9, 3.0), (2.5, 2.6)]
    words = [TimedWord(word=Word(start=s, end=e, text=" x", probability=1.0), tokens=()) for s, e in wild]
    assert [(item.word.start, item.word.end) for item in within(words, 2.0)] == [
        (0.5, 0.5),
        (0.5, 0.9),
        (0.9, 2.0),
        (2.0, 2.0),
    ]
