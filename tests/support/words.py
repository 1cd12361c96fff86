"""Which heard word is which spoken word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jiwer

_FORMS = {"mr": "mister"}


def plain(word: str) -> str:
    """Letters and digits alone, lower case, a few abbreviations as they are spoken."""
    bare = "".join(filter(str.isalnum, word.casefold()))
    return _FORMS.get(bare, bare)


def pairs(spoken: Sequence[str], heard: Sequence[str]) -> dict[int, int]:
    """The place of each spoken word in what was heard, for the words that were heard right, in order."""
    found: dict[int, int] = {}
    for piece in aligned(spoken, heard):
        if piece.type == "equal":
            span = range(piece.ref_start_idx, piece.ref_end_idx)
            found |= {index: piece.hyp_start_idx + index - piece.ref_start_idx for index in span}
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A word that is lost or surplus, and about when: a lost one at the heard word before it."""

    kind: Literal["lost", "surplus"]
    text: str
    seconds: float


def differences(expected: Sequence[str], heard: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Expected words with nothing in their place, and heard words (``word``, ``start``) in no place."""
    texts = [str(word["word"]) for word in heard]
    found: list[Difference] = []
    for piece in aligned(expected, texts):
        when = float(heard[min(max(piece.hyp_start_idx, 1) - 1, len(heard) - 1)]["start"]) if heard else 0.0
        if piece.type == "delete":
            lost = expected[piece.ref_start_idx : piece.ref_end_idx]
            found += [Difference(kind="lost", text=word, seconds=when) for word in lost]
        if piece.type == "insert":
            surplus = heard[piece.hyp_start_idx : piece.hyp_end_idx]
            found += [
                Difference(kind="surplus", text=str(word["word"]), seconds=float(word["start"])) for word in surplus
            ]
    return found


def aligned(expected: Sequence[str], heard: Sequence[str]) -> list[Any]:
    """jiwer's pieces: equal, substitute, delete, insert; with places in both."""
    spoken, found = (" ".join(plain(word) or "-" for word in words) for words in (expected, heard))
    return list(jiwer.process_words(spoken, found).alignments[0])
