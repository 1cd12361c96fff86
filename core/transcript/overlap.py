"""Two neighbours heard the same two seconds: keep every word once.

The words of both are aligned by what they say and when (a small dynamic programme, as for edit distance). Words that
agree are anchors. Between two anchors the words of one side are taken, never of both, so a difference in spelling,
casing or numbers cannot make a double. What only one side heard is kept unless it is half a word at its window's edge.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import groupby
from typing import Literal

from core.models import SAMPLE_RATE, Cut, Segment, WindowResult

REACH = round(1.0 * SAMPLE_RATE)  # one word's two times differ by less; a window's first word may be 0.7 s early
SIMILAR_REACH = round(0.6 * SAMPLE_RATE)  # where the spelling differs, the time has to speak for it
SUBSTITUTE_REACH = round(0.3 * SAMPLE_RATE)  # where the texts differ, only the time says that it is one
EDGE = round(0.3 * SAMPLE_RATE)  # a word this close to where its window was cut may be half a word
SIMILAR = 0.75  # difflib's ratio from which two spellings are the same word

Side = Literal["left", "right"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Origin:
    """The segment that a word was heard in. Compared by identity."""

    cut: Cut
    result: WindowResult
    segment: Segment
    word_count: int
    end: int  # of the segment, in samples from the task's start


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A word in samples from the task's start."""

    start: int
    end: int
    text: str
    probability: float
    origin: Origin
    span_start: int  # its segment's start, where it is the first word of it
    span_end: int  # its segment's end, where it is the last

    @property
    def middle(self) -> int:
        """What decides on which side of a border the word lies."""
        return (self.start + self.end) // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One place of the alignment: a word that both heard, or one of them alone."""

    left: Heard | None
    right: Heard | None
    anchor: bool = False  # both heard the same text, or nearly
    same: bool = False  # exactly the same text

    def of(self, side: Side) -> Heard | None:
        """The word that one side heard here."""
        return self.left if side == "left" else self.right

    @property
    def middle(self) -> int:
        """When it was said: the mean over who heard it."""
        times = [word.middle for word in (self.left, self.right) if word is not None]
        return sum(times) // len(times)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fused:
    """Both sides as one. ``crossing``: the index of the first word at or after the border."""

    words: list[Heard]
    crossing: int


def fuse(left: Sequence[Heard], right: Sequence[Heard], left_cut: Cut, right_cut: Cut) -> Fused:
    """All words of two overlapping windows in order, each once. What lies outside the overlap is handed through."""
    first = next((i for i, word in enumerate(left) if word.end > right_cut.start - REACH), len(left))
    last = next((i for i, word in enumerate(right) if word.start >= left_cut.end + REACH), len(right))
    steps = align([_bare(word) for word in left[first:]], [_bare(word) for word in right[:last]])
    border = right_cut.core_start
    crossing = next((i for i, step in enumerate(steps) if step.middle >= border), len(steps))
    sides = _sides(steps, crossing, border)
    # Where one side heard nothing at all, there is nobody to trust more than the other.
    edges = (left_cut.end - EDGE, right_cut.start + EDGE) if first < len(left) and last > 0 else None
    chosen = [_choose(steps, sides, i, edges) for i in range(len(steps))]
    before = sum(word is not None for word in chosen[:crossing])
    words = [*left[:first], *(word for word in chosen if word is not None), *right[last:]]
    return Fused(words=in_order(words), crossing=first + before)


def align(left: Sequence[Heard], right: Sequence[Heard]) -> list[Step]:
    """The best order-keeping pairing of two word sequences; unpaired words stand between by time."""
    gains = [[_gain(a, b) for b in right] for a in left]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + gains[i][j])
    return _walk(left, right, gains, best)


def in_order(words: Sequence[Heard]) -> list[Heard]:
    """The same words with times that never step back: an earlier word ends where the next one starts."""
    ordered: list[Heard] = []
    for word in words:
        before = ordered[-1] if ordered else None
        if before is None or word.start >= before.end:
            ordered.append(word)
            continue
        meet = word.start
        if meet <= before.start:
            meet = max(before.start, min((before.end + word.start) // 2, word.end))
        ordered[-1] = replace(before, end=meet, span_end=min(before.span_end, meet))
        ordered.append(replace(word, start=meet, end=max(word.end, meet), span_start=max(word.span_start, meet)))
    return ordered


def _bare(word: Heard) -> Heard:
    """The word by its own times: in an overlap its segment may be cut up, so the segment's do not count."""
    return replace(word, span_start=word.start, span_end=word.end)


def _walk(
    left: Sequence[Heard], right: Sequence[Heard], gains: list[list[float]], best: list[list[float]]
) -> list[Step]:
    steps: list[Step] = []
    i = j = 0
    while i < len(left) and j < len(right):
        gain = gains[i][j]
        if gain > 0 and best[i][j] == best[i + 1][j + 1] + gain:
            steps.append(Step(left=left[i], right=right[j], anchor=gain >= 1, same=gain >= 3))
            i, j = i + 1, j + 1
        elif _left_goes_first(i, j, left, right, best):
            steps.append(Step(left=left[i], right=None))
            i += 1
        else:
            steps.append(Step(left=None, right=right[j]))
            j += 1
    steps += [Step(left=word, right=None) for word in left[i:]]
    return steps + [Step(left=None, right=word) for word in right[j:]]


def _left_goes_first(i: int, j: int, left: Sequence[Heard], right: Sequence[Heard], best: list[list[float]]) -> bool:
    skip_left, skip_right = best[i + 1][j], best[i][j + 1]
    if skip_left == skip_right:
        return left[i].middle <= right[j].middle
    return skip_left > skip_right


def _gain(a: Heard, b: Heard) -> float:
    """How much speaks for two words being one.

    3 to 4 for the same text, 1 to 2.5 for nearly the same, up to 0.5 for the same moment alone, else 0.
    """
    apart = min(abs(a.start - b.start), abs(a.end - b.end))
    if apart > REACH:
        return 0.0
    likeness = _likeness(normalise(a.text), normalise(b.text))
    late = apart / SAMPLE_RATE
    if likeness == 1:
        return 4 - late
    if likeness >= SIMILAR and apart <= SIMILAR_REACH:
        return 2.5 - late
    return 0.5 - late if apart <= SUBSTITUTE_REACH else 0.0


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """What is compared: letters and digits alone, one case, one form of each; a lone sign stays itself."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    return "".join(filter(str.isalnum, folded)) or folded


def _likeness(a: str, b: str) -> float:
    return 1.0 if a == b else SequenceMatcher(None, a, b, autojunk=False).ratio()


def _sides(steps: Sequence[Step], crossing: int, border: int) -> list[Side]:
    """For each step whose words to take: of an anchor by the border, of the words between two anchors one side's."""
    sides: list[Side] = ["left" if i < crossing else "right" for i in range(len(steps))]
    anchors = [i for i, step in enumerate(steps) if step.anchor]
    for anchor, group in groupby(range(len(steps)), key=lambda i: steps[i].anchor):
        block = list(group)
        if not anchor and anchors and _contested([steps[i] for i in block]):
            side = _side_of_block(block, steps, anchors, border)
            sides[block[0] : block[-1] + 1] = [side] * len(block)
    return sides


def _contested(block: Sequence[Step]) -> bool:
    return any(step.left for step in block) and any(step.right for step in block)


def _side_of_block(block: Sequence[int], steps: Sequence[Step], anchors: Sequence[int], border: int) -> Side:
    """The side that heard more around it: the left before the first anchor, the right after the last."""
    if block[0] < anchors[0]:
        return "left"
    if block[0] > anchors[-1]:
        return "right"
    return "left" if sum(steps[i].middle for i in block) < border * len(block) else "right"


def _choose(steps: Sequence[Step], sides: Sequence[Side], index: int, edges: tuple[int, int] | None) -> Heard | None:
    """The word of one step, if any. ``edges``: where the left stops and the right begins to hear whole words.

    What the chosen side did not hear is kept if it is a whole word at a moment of its own.
    """
    step, side = steps[index], sides[index]
    chosen = step.of(side)
    if edges is None or (step.left and step.right):
        return chosen or step.left or step.right
    if chosen is not None:  # unless the other side's spelling of an anchor has it already: everyone, every one
        rivals = [other.of(at) for other, at in zip(steps, sides, strict=True) if at != side and _inexact(other)]
        return None if _covered(chosen, rivals) else chosen
    stray = step.left or step.right
    assert stray is not None
    whole = stray.end <= edges[0] if step.left else stray.start >= edges[1]
    natural = [other.of(at) for other, at in zip(steps, sides, strict=True)]
    return stray if whole and not _covered(stray, natural) else None


def _inexact(step: Step) -> bool:
    return step.anchor and not step.same


def _covered(word: Heard, others: Sequence[Heard | None]) -> bool:
    """Whether other words fill more than half of the moment that this one claims."""
    spans = [(other.start, other.end) for other in others if other is not None]
    if word.end == word.start:
        return any(start <= word.start <= end for start, end in spans)
    return 2 * sum(max(0, min(word.end, end) - max(word.start, start)) for start, end in spans) > word.end - word.start
