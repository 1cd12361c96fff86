"""From words to segments: sentences, pieces between pauses, and nothing too long for a subtitle."""

from collections.abc import Sequence

from core.engines.alignment import TimedWord
from core.models import Segment

MIN_PAUSE_SECONDS = 0.6  # a silence this long ends a segment
MAX_SECONDS = 12.0
MAX_CHARACTERS = 200

_SENTENCE_ENDS = ".?!。？！…।؟۔"  # noqa: RUF001  other scripts' marks are meant
_CLAUSE_ENDS = ",;:，；：、،-"  # noqa: RUF001  other scripts' marks are meant
_AFTER_ENDS = "\"'”’)]»」』"  # noqa: RUF001  other scripts' marks are meant
_ABBREVIATIONS = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "dr",
        "st",
        "prof",
        "rev",
        "gen",
        "col",
        "capt",
        "lt",
        "sgt",
        "no",
        "vol",
        "vs",
        "e.g",
        "i.e",
        "etc",
    }
)


def segments_of(words: Sequence[TimedWord]) -> tuple[Segment, ...]:
    """The words as segments, every word in exactly one of them, in order."""
    pieces: list[list[TimedWord]] = []
    for index, item in enumerate(words):
        if index == 0 or _ends_before(words[index - 1], item):
            pieces.append([])
        pieces[-1].append(item)
    return tuple(_segment(part) for piece in pieces for part in _shortened(piece))


def _ends_before(last: TimedWord, following: TimedWord) -> bool:
    return _pause(last, following) >= MIN_PAUSE_SECONDS or _ends_sentence(last.word.text, following.word.text)


def _pause(last: TimedWord, following: TimedWord) -> float:
    return round(following.word.start - last.word.end, 3)


def _ends_sentence(text: str, following: str) -> bool:
    bare = text.strip().rstrip(_AFTER_ENDS)
    if not bare or bare[-1] not in _SENTENCE_ENDS:
        return False
    return bare[-1] != "." or not (_is_abbreviation(bare) or following.strip()[:1].islower())


def _is_abbreviation(bare: str) -> bool:
    stem = bare.rstrip(".").casefold()
    return stem in _ABBREVIATIONS or (len(stem) == 1 and stem.isalpha() and stem != "i")


def _shortened(piece: list[TimedWord]) -> list[list[TimedWord]]:
    if len(piece) < 2 or not _too_long(piece):
        return [piece]
    at = max(range(1, len(piece)), key=lambda index: _worth(piece, index))
    return _shortened(piece[:at]) + _shortened(piece[at:])


def _too_long(piece: Sequence[TimedWord]) -> bool:
    seconds = piece[-1].word.end - piece[0].word.start
    return seconds > MAX_SECONDS or sum(len(item.word.text) for item in piece) > MAX_CHARACTERS


def _worth(piece: Sequence[TimedWord], at: int) -> float:
    """How good a place it is to cut before ``piece[at]``: after a comma, at a pause, near the middle."""
    last, following = piece[at - 1], piece[at]
    comma = 1.0 if last.word.text.rstrip(_AFTER_ENDS + " ")[-1:] in _CLAUSE_ENDS else 0.0
    pause = 2.0 * min(_pause(last, following), MIN_PAUSE_SECONDS)
    begin, end = piece[0].word.start, piece[-1].word.end
    share = (last.word.end - begin) / (end - begin) if end > begin else at / len(piece)
    return comma + pause - 3.0 * abs(share - 0.5)


def _segment(piece: Sequence[TimedWord]) -> Segment:
    return Segment(
        start=piece[0].word.start,
        end=piece[-1].word.end,
        text="".join(item.word.text for item in piece),
        words=tuple(item.word for item in piece),
        tokens=tuple(token for item in piece for token in item.tokens),
    )
