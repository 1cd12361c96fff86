"""The name that a client gives its file: shown to people, never part of a path."""

import re
import unicodedata

MAX_CHARACTERS = 255
DEFAULT = "upload"
_UNSEEN = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}  # control, lone surrogates, unassigned, private, line separators
_TURNING = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they make names look like others


def file_label(name: str) -> str:
    """The last part of ``name`` without what cannot be seen, at most 255 characters; ``upload`` where nothing is left.

    Some browsers send ``C:\\fakepath\\name`` or a folder's path: neither is the business of a reader of the label.
    """
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(character for character in last if _is_shown(character)).strip()
    return shown[:MAX_CHARACTERS] if shown.strip(".") else DEFAULT


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN and character not in _TURNING
