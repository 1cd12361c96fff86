"""A model on this machine: a directory in CTranslate2's layout."""

import json
from dataclasses import dataclass
from pathlib import Path

_REQUIRED = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFiles:
    """A complete model directory. ``name``: as the client or the setting called it."""

    name: str
    path: Path

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.path / "model.bin"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's definition."""
        return self.path / "tokenizer.json"

    def missing(self) -> list[str]:
        """The files that a model needs and that are not there; empty for a complete one."""
        absent = [name for name in _REQUIRED if not (self.path / name).is_file()]
        if not any((self.path / name).is_file() for name in _VOCABULARIES):
            absent.append(_VOCABULARIES[0])
        return absent

    @property
    def complete(self) -> bool:
        """True where nothing is missing."""
        return not self.missing()

    def vocabulary_size(self) -> int:
        """How many tokens the model knows; 0 where that cannot be read."""
        try:
            return self._count_tokens()
        except (OSError, ValueError):
            return 0

    def _count_tokens(self) -> int:
        lines, listed = (self.path / name for name in _VOCABULARIES)
        if lines.is_file():
            return lines.read_bytes().count(b"\n")
        return len(json.loads(listed.read_text(encoding="utf-8")))
