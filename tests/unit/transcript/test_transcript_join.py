"""Joining chunks: times, gaps, forced cuts, rebuilt segments."""

import pytest

from core.models import Segment, WindowResult
from core.states import ChunkState
from core.transcript.join import ends_sentence
from core.transcript.pieces import Gap, TranscriptSegment
from tests.unit.transcript.transcripts import all_words, chunk, cut, evenly, heard, joined, segment, texts, word

LEFT = cut(0, (0, 29), right=1)  # hears 0 to 30
RIGHT = cut(1, (29, 58), left=1)  # hears 28 to 58


async def test_without_overlaps_every_segment_comes_out_as_it_was():
    """Texts, words, tokens and the window's figures are handed through; times move by the window's start."""
    result = WindowResult(
        segments=(segment(word(" Hello", 0.1, 0.5), word(" you.", 0.5, 0.9)), segment(word(" And", 1.0, 1.2))),
        temperature=0.2,
        avg_logprob=-0.5,
        compression_ratio=1.25,
        no_speech_prob=0.01,
    )
    pieces = await joined(chunk(cut(3, (100, 130)), ChunkState.DONE, result))
    first = TranscriptSegment(
        start=100.1,
        end=100.9,
        text=" Hello you.",
        words=(word(" Hello", 100.1, 100.5), word(" you.", 100.5, 100.9)),
        tokens=(1, 2),
        seek_samples=1_600_000,
        temperature=0.2,
        avg_logprob=-0.5,
        compression_ratio=1.25,
        no_speech_prob=0.01,
    )
    assert pieces[0] == first
    assert texts(pieces) == ["Hello you.", "And"]


async def test_times_are_exact_after_many_hours():
    """The time is that of the sample, whatever the window's place: nothing is added up in floating point."""
    window = cut(7, (86_000.0000625, 86_020))
    [piece] = await joined(chunk(window, ChunkState.DONE, WindowResult(segments=(segment(word(" a", 0.1, 0.3)),))))
    assert piece.words[0].start == (window.start + 1600) / 16_000
    assert piece.words[0].end == (window.start + 4800) / 16_000


async def test_a_time_outside_its_window_is_the_windows_edge():
    """An engine that says 30.4 s in a window of 30 s cannot push the next window's words back."""
    after = heard(cut(1, (30, 60)), evenly("next", 30.0))
    pieces = await joined(heard(cut(0, (0, 30)), [(" long", 29.0, 30.4)]), after)
    assert [(w.start, w.end) for w in all_words(pieces)] == [(29.0, 30.0), (30.0, 30.3)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (ChunkState.FAILED, "failed"),
        (ChunkState.CANCELLED, "cancelled"),
        (ChunkState.PENDING, "pending"),
        (ChunkState.QUEUED, "pending"),
        (ChunkState.RUNNING, "pending"),
        (ChunkState.DONE, "failed"),  # done without a result: lost, and told
    ],
)
async def test_what_is_not_done_is_a_gap_over_its_core(state, reason):
    """Each state that has no text is told with its reason and the seconds that the window answers for."""
    assert await joined(chunk(RIGHT, state)) == [Gap(start=29.0, end=58.0, reason=reason)]


async def test_gaps_with_only_silence_between_them_are_one():
    """Of one reason; another reason or a word between them begins another gap."""
    states = [ChunkState.PENDING, ChunkState.RUNNING, ChunkState.FAILED, ChunkState.PENDING]
    waiting = [chunk(cut(index, (40 * index, 40 * index + 30)), state) for index, state in enumerate(states)]
    word_between = heard(cut(4, (160, 190)), evenly("hello", 161))
    pieces = await joined(*waiting, word_between, chunk(cut(5, (200, 230)), ChunkState.PENDING))
    assert [(gap.start, gap.end, gap.reason) for gap in pieces if isinstance(gap, Gap)] == [
        (0.0, 70.0, "pending"),
        (80.0, 110.0, "failed"),
        (120.0, 150.0, "pending"),
        (200.0, 230.0, "pending"),
    ]


async def test_an_empty_result_is_neither_text_nor_gap():
    """A window of music is done: there is nothing to say and nothing missing."""
    pieces = await joined(heard(cut(0, (0, 30))), heard(cut(1, (30, 60)), evenly("hello", 31)))
    assert texts(pieces) == ["hello"]


async def test_words_heard_twice_are_kept_once():
    """The plain case: both sides heard the same words around the border."""
    said = evenly("one two three four five six seven eight nine ten", 27)
    left = heard(LEFT, [s for s in said if s[2] <= 30])
    right = heard(RIGHT, [s for s in said if s[1] >= 28])
    pieces = await joined(left, right)
    assert texts(pieces) == ["one two three four five six seven eight nine ten"]
    assert [w.start for w in all_words(pieces)] == [s[1] for s in said]


async def test_casing_punctuation_and_numbers_make_no_doubles():
    """Two spellings of one thing are one thing: the words between two that agree come from one side alone."""
    left = heard(LEFT, evenly("it was about twenty one, Men there", 27.5))
    right = heard(RIGHT, [(" About", 28.3, 28.6), (" 21", 28.75, 29.35), (" men", 29.5, 29.8), (" there.", 29.9, 30.2)])
    [text] = texts(await joined(left, right))
    assert text in ("it was about twenty one, men there.", "it was about 21 men there.")


@pytest.mark.parametrize(("one", "two"), [("any more", "anymore"), ("everyone", "every one"), ("can not", "cannot")])
@pytest.mark.parametrize("start", [28.4, 28.6, 28.8, 29.0, 29.2])
async def test_a_compound_written_apart_by_one_side_is_no_double(one, two, start):
    """Wherever it lies to the border, one of the two spellings comes out."""

    def spoken(text, begin, end):
        parts = text.split()
        step = (end - begin) / len(parts)
        return [(f" {p}", begin + i * step, begin + (i + 1) * step) for i, p in enumerate(parts)]

    around = [(" before", start - 0.35, start - 0.05)], [(" after", start + 0.55, start + 0.8)]
    left = heard(LEFT, [*around[0], *spoken(one, start, start + 0.5), *around[1]])
    right = heard(RIGHT, [*around[0], *spoken(two, start, start + 0.5), *around[1]])
    assert texts(await joined(left, right))[0] in (f"before {one} after", f"before {two} after")


async def test_half_words_at_a_windows_edge_give_way_to_the_neighbours():
    """The window's edge cut 'window' and 'tomorrow' in two; the other side heard them whole."""
    said = evenly("open the window and come again tomorrow morning", 27.2)
    left = heard(LEFT, [*said[:6], (" to", 29.6, 30.0)])
    right = heard(RIGHT, [(" dough", 28.0, 28.3), *said[3:]])
    assert texts(await joined(left, right)) == ["open the window and come again tomorrow morning"]


async def test_a_half_word_that_only_one_side_heard_is_dropped():
    """At the very edge, a word that the neighbour does not confirm is noise."""
    left = heard(LEFT, [*evenly("all is well", 28.2), (" th", 29.8, 30.0)])
    right = heard(RIGHT, [(" uh", 28.0, 28.1), *evenly("all is well today", 28.2)[:3], (" today", 30.7, 31.0)])
    assert texts(await joined(left, right)) == ["all is well today"]


async def test_a_whole_word_that_only_one_side_heard_is_kept():
    """What one side missed in the middle of the overlap is not lost, on whichever side of the border it lies."""
    said = evenly("alpha bravo charlie delta echo", 28.2)
    without = {"bravo": 1, "delta": 3}
    left = heard(LEFT, [s for i, s in enumerate(said) if i != without["bravo"]])
    right = heard(RIGHT, [s for i, s in enumerate(said) if i != without["delta"]])
    assert texts(await joined(left, right)) == ["alpha bravo charlie delta echo"]


async def test_a_first_word_seen_too_early_is_still_the_same_word():
    """An alignment may put a window's first word into the pause before it, 0.7 s early."""
    left = heard(LEFT, [(" ones.", 27.0, 27.4), (" And", 28.93, 29.05), (" it", 29.15, 29.29), (" was", 29.29, 29.41)])
    right = heard(RIGHT, [(" And", 28.3, 28.4), (" it", 29.1, 29.27), (" was", 29.27, 29.41), (" so", 29.41, 29.6)])
    assert texts(await joined(left, right)) == ["ones. And it was so"]


async def test_before_the_first_agreement_the_left_is_believed():
    """The right had only begun to hear: what it made of the words before the first common one does not count."""
    left = heard(LEFT, evenly("xxxx yyyy zzzz common", 28.75, every=0.25, length=0.2))
    right = heard(RIGHT, evenly("pppp qqqq rrrr common", 28.75, every=0.25, length=0.2))
    assert texts(await joined(left, right)) == ["xxxx yyyy zzzz common"]


async def test_after_the_last_agreement_the_right_is_believed():
    """The left was about to stop: what it made of the words after the last common one does not count."""
    left = heard(LEFT, evenly("common xxxx yyyy zzzz", 28.3, every=0.2, length=0.15))
    right = heard(RIGHT, evenly("common pppp qqqq rrrr", 28.3, every=0.2, length=0.15))
    assert texts(await joined(left, right)) == ["common pppp qqqq rrrr"]


async def test_windows_that_are_no_neighbours_are_not_fused():
    """A chunk between them is not known yet: each counts for its own core alone."""
    other = heard(cut(2, (58, 87), left=1), [(" no", 57.2, 57.5), (" yes", 58.3, 58.6)])
    assert texts(await joined(heard(LEFT, evenly("a b c d e", 28.0)), other)) == ["a b c", "yes"]


async def test_a_word_stretched_over_the_next_one_does_not_swallow_it():
    """Seen with Whisper base: a year at the end of the left window lasted over the right window's next word."""
    left = heard(LEFT, [(" about", 28.0, 28.3), (" 1455", 28.3, 29.6)])
    right = heard(RIGHT, [(" 1455", 28.2, 28.9), (" has", 29.0, 29.4), (" never", 29.5, 29.9)])
    pieces = await joined(left, right)
    assert texts(pieces) == ["about 1455 has never"]
    assert [(w.start, w.end) for w in all_words(pieces)][1:3] == [(28.3, 29.0), (29.0, 29.4)]


async def test_without_any_agreement_the_border_decides():
    """Nothing matches: left's words up to the border, right's after it."""
    left = heard(LEFT, evenly("aaaa bbbb cccc dddd", 28.2, every=0.4))
    right = heard(RIGHT, evenly("kkkk llll mmmm nnnn", 28.2, every=0.4))
    assert texts(await joined(left, right)) == ["aaaa bbbb mmmm nnnn"]


async def test_a_side_that_stopped_early_loses_no_words_of_the_other():
    """The left engine gave up before the overlap: the right one's words there all count."""
    left = heard(LEFT, evenly("before that", 27.0))
    right = heard(RIGHT, evenly("one two three four five", 28.4))
    assert texts(await joined(left, right)) == ["before that", "one two three four five"]


@pytest.mark.parametrize("deaf", ["left", "right"])
async def test_a_side_that_heard_nothing_leaves_all_to_the_other(deaf):
    """An empty neighbour gives no reason to distrust a word, even at the edge."""
    left = heard(LEFT, [] if deaf == "left" else [(" end", 29.8, 30.0)])
    right = heard(RIGHT, [] if deaf == "right" else [(" begin", 28.0, 28.2)])
    assert texts(await joined(left, right)) == ["end" if deaf == "right" else "begin"]


async def test_beside_a_gap_words_count_up_to_the_core():
    """The gap owns its core: no text is shown in it, and none before it is lost."""
    middle = cut(1, (29, 58), left=1, right=1)
    last = cut(2, (58, 87), left=1)
    said = evenly("a b c d e", 28.0)
    pieces = await joined(
        heard(LEFT, said),
        chunk(middle, ChunkState.FAILED),
        heard(last, [(" no", 57.2, 57.5), (" half", 57.9, 58.2), (" yes", 58.3, 58.6)]),
    )
    assert texts(pieces) == ["a b c", "<failed>", "half yes"]
    assert [(p.start, p.end) for p in pieces] == [(28.0, 29.0), (29.0, 58.0), (58.0, 58.6)]


async def test_the_last_known_chunk_counts_up_to_its_core():
    """While the audio is still being cut, the right neighbour is unknown: its first second is not shown early."""
    assert texts(await joined(heard(LEFT, evenly("a b c d e", 28.0)))) == ["a b c"]


async def test_a_sentence_cut_by_a_forced_border_is_one_segment():
    """Left's open end and right's beginning are one sentence; its figures are those of the window it starts in."""
    said = evenly("we went down to the river in the morning.", 27)
    more = evenly("Then home.", 31)
    pieces = await joined(
        heard(LEFT, evenly("Hello.", 26), [s for s in said if s[2] <= 30]),
        heard(RIGHT, [s for s in said if s[1] >= 28], more),
    )
    assert texts(pieces) == ["Hello.", "we went down to the river in the morning.", "Then home."]
    merged = pieces[1]
    assert (merged.start, merged.end, merged.seek_samples, merged.tokens) == (27.0, 30.5, 0, ())
    assert pieces[2].tokens == (1, 2)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (evenly("It ends.", 28.1), evenly("Next one", 29.1)),  # a full stop
        (evenly("a pause", 28.1), evenly("after it", 29.4)),  # a pause
        (evenly("word " * 27, 1.1, every=1.0), evenly("word " * 27, 29.1, every=1.0)),  # 55 s together
    ],
)
async def test_segments_stay_apart_at_a_border(left, right):
    """After the end of a sentence, over a pause, or where the whole would be too long to be of use."""
    assert len(await joined(heard(LEFT, left), heard(RIGHT, right))) == 2


async def test_a_segment_over_several_borders_is_released_in_time():
    """No pause and no full stop for minutes: segments stay below the limit, so memory does."""
    windows = [cut(i, (i * 28, i * 28 + 28), left=1 if i else 0, right=1) for i in range(10)]
    spoken = [(f" w{i}", i * 0.5, i * 0.5 + 0.4) for i in range(560)]
    chunks = [heard(w, [s for s in spoken if s[1] * 16_000 >= w.start and s[2] * 16_000 <= w.end]) for w in windows]
    pieces = await joined(*chunks)
    assert [w.text for w in all_words(pieces)] == [s[0] for s in spoken]
    assert max(p.end - p.start for p in pieces) <= 30
    assert len(pieces) <= 20


async def test_a_segment_without_words_gets_estimated_ones():
    """An engine without word times still joins: its text is spread over its time."""
    result = WindowResult(segments=(Segment(start=1.0, end=2.0, text=" ab cd", words=()),))
    [piece] = await joined(chunk(cut(0, (0, 30)), ChunkState.DONE, result))
    assert [(w.text, w.start, w.end, w.probability) for w in piece.words] == [
        (" ab", 1.0, 1.5, 0.0),
        (" cd", 1.5, 2.0, 0.0),
    ]


async def test_a_missing_space_at_the_border_is_put_in():
    """The right window's first word may come without its space; one script without any gets none."""
    left, right = heard(LEFT, [(" good", 28.5, 28.8)]), heard(RIGHT, [("morning", 29.0, 29.3)])
    assert texts(await joined(left, right)) == ["good morning"]
    left, right = heard(LEFT, [("早上", 28.5, 28.8)]), heard(RIGHT, [("好", 29.0, 29.3)])
    assert texts(await joined(left, right)) == ["早上好"]


@pytest.mark.parametrize("text", ["Yes.", "No!", 'He said "go."', "why? ", "はい。", "«oui.»", "(so.)"])
def test_the_end_of_a_sentence_is_seen(text):
    """Also behind closing quotes and brackets, and in other scripts."""
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["and", "so,", "3.5", ""])
def test_the_middle_of_a_sentence_is_seen(text):
    """A comma or a decimal point ends nothing."""
    assert not ends_sentence(text)
