"""Subtitles: short enough to read, cut between words, nothing lost."""

from hypothesis import given
from hypothesis import strategies as st

from core.transcript.cues import columns, cues
from tests.unit.transcript.transcripts import said, word

letters = st.text(st.characters(categories=["L", "M", "N", "P"]), min_size=1, max_size=60)
spoken = st.lists(st.tuples(letters, st.floats(0, 9), st.floats(0, 2)), min_size=1, max_size=60)


def segment_of(words, lead=" "):
    now, made = 0.0, []
    for text, length, pause in words:
        made.append(word(lead + text, now, now + length))
        now += length + pause
    return said("".join(w.text for w in made), made[0].start, made[-1].end, *made)


@given(spoken, st.booleans())
def test_no_cue_is_too_long_or_wide_and_no_text_is_lost(words, spaces):
    """Two lines of 42 columns, seven seconds, times in order, every character there."""
    segment = segment_of(words, " " if spaces else "")
    made = list(cues(segment, spaces=spaces))
    assert all(len(cue.lines) <= 2 for cue in made)
    assert all(0 < columns(line) <= 42 for cue in made for line in cue.lines)
    assert all(0 < cue.end_ms - cue.start_ms <= 7000 for cue in made)
    assert [c.start_ms for c in made] == sorted(c.start_ms for c in made)
    shown = "".join(line for cue in made for line in cue.lines)
    assert "".join(shown.split()) == "".join(segment.text.split())


def test_a_short_segment_is_one_cue():
    """Nothing is split that fits."""
    [cue] = cues(segment_of([("Hello", 0.5, 0.1), ("there.", 0.5, 0)]), spaces=True)
    assert (cue.start_ms, cue.end_ms, cue.lines) == (0, 1100, ("Hello there.",))


def test_a_long_segment_breaks_at_the_end_of_a_clause():
    """Where there is a comma in the second half of what fits, the cue ends there."""
    text = "When the rain had stopped at last we walked along the old road, and nobody said a word until evening came"
    made = list(cues(segment_of([(t, 0.1, 0.0) for t in text.split()]), spaces=True))
    assert " ".join(made[0].lines).endswith("road,")
    assert made[0].lines == ("When the rain had stopped at last we", "walked along the old road,")


def test_words_are_not_torn_from_what_clings_to_them():
    """A part without a leading space belongs to the word before it."""
    words = [word(" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, 1), word(" don", 1, 1.5), word("'t", 1.5, 2)]
    [cue] = cues(said("".join(w.text for w in words), 0, 2, *words), spaces=True)
    assert cue.lines == ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "don't")


def test_a_word_longer_than_a_line_is_cut():
    """A loop of the engine, or an address: it fills lines, and its parts share its time."""
    made = list(cues(segment_of([("x" * 100, 2.0, 0)]), spaces=True))
    assert "".join(line for cue in made for line in cue.lines) == "x" * 100
    assert all(len(line) <= 42 for cue in made for line in cue.lines)
    assert made[-1].end_ms == 2000


def test_full_width_characters_take_two_columns():
    """21 of them fill a line, and no line begins with a full stop."""
    words = [word(c, i * 0.1, i * 0.1 + 0.1) for i, c in enumerate("漢" * 20 + "字。" + "漢" * 5)]
    [cue] = cues(said("".join(w.text for w in words), 0, 2.7, *words), spaces=False)
    assert cue.lines == ("漢" * 20, "字。" + "漢" * 5)


def test_a_segment_without_words_is_split_by_estimate():
    """Its text is spread over its time."""
    made = list(cues(said(" ".join(["word"] * 40), 0.0, 10.0), spaces=True))
    assert len(made) >= 2
    assert made[-1].end_ms == 10_000
