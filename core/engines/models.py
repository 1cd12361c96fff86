"""The model store: from a model's name to a checked directory on this machine."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.engines.catalogue import CHECKSUMS, HUB_REPOSITORIES, canonical, check_shape, is_path
from core.engines.checksums import verify
from core.engines.folders import make_folder
from core.engines.hub import fetch_from_hub
from core.engines.model_files import ModelFiles
from core.engines.packages import PIP_EXTRAS, find_packaged
from core.errors import InvalidRequestError, ModelCorruptError, ModelNotFoundError
from core.models import TaskKind

_MULTILINGUAL_VOCABULARY = 51_865  # tokens of every multilingual Whisper or more; the English-only ones have 51,864
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})


class Availability(StrEnum):
    """Whether a model can be had, found without reading its weights."""

    LOCAL = "local"
    DOWNLOADABLE = "downloadable"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """What a request has to know of a model."""

    multilingual: bool  # False: English only, and no translation


class ModelStore:
    """Models from, in this order: a directory given as such, ``models_dir``, installed packages, the hub.

    ``download``: whether the hub may be asked. ``fetch``: puts a hub repository into an empty directory.
    ``cache_dir``: where models are put together if ``models_dir`` cannot be written.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        download: bool,
        fetch: Callable[[str, Path], None] = fetch_from_hub,
        cache_dir: Path = Path("~/.cache/parascribe/models"),
    ) -> None:
        self._folders = (models_dir.expanduser(), cache_dir.expanduser())
        self._download = download
        self._fetch = fetch

    def find(self, name: str) -> ModelFiles:
        """The model's files, checked, and made or fetched first where that is needed (which can take minutes).

        Raises ``ModelNotFoundError``, ``ModelCorruptError`` (a checksum is wrong, or files are missing),
        ``StorageFullError``, or ``ModelDownloadError`` (the hub cannot be reached at the moment).
        """
        if is_path(name):
            return self._given(name)
        own = canonical(name)
        return self._checked(self._lying(own) or self._packaged(own) or self._fetched(own))

    def check_name(self, name: str, task: TaskKind = "transcribe", language: str | None = None) -> str:
        """The canonical form of a model that a client named, if it can be had and can do what is asked.

        A client may only name a known model or a folder directly under ``models_dir``, never a path. Raises
        ``InvalidRequestError``: ``invalid_model``, or ``invalid_request`` where an English-only model is asked for
        more.
        """
        own = canonical(check_shape(name))
        if self.availability(own) is Availability.MISSING:
            raise InvalidRequestError(_how_to_get(own, download=self._download), code="invalid_model")
        self.check_task(own, task, language)
        return own

    def check_task(self, name: str, task: TaskKind, language: str | None) -> None:
        """Raises ``InvalidRequestError`` where an English-only model is to translate or to hear another language."""
        if self.facts(name).multilingual:
            return
        if task == "translate":
            raise InvalidRequestError(f"Model {name!r} knows English only and cannot translate; use 'base' or larger.")
        if language not in (None, "en"):
            raise InvalidRequestError(
                f"Model {name!r} knows English only, not {language!r}; use a model without '.en' in its name."
            )

    def availability(self, name: str) -> Availability:
        """Whether ``name`` can be had: a few look-ups in the file system, nothing is read, made or fetched."""
        if is_path(name):
            there = ModelFiles(name=name, path=Path(name).expanduser()).complete
            return Availability.LOCAL if there else Availability.MISSING
        own = canonical(name)
        if self._lying(own) or find_packaged(own):
            return Availability.LOCAL
        downloadable = self._download and own in HUB_REPOSITORIES
        return Availability.DOWNLOADABLE if downloadable else Availability.MISSING

    def facts(self, name: str) -> ModelFacts:
        """What the model can do, by its name where that tells, else by the size of its vocabulary."""
        own = canonical(name)
        if not is_path(own) and own in HUB_REPOSITORIES:
            return ModelFacts(multilingual=not own.endswith(".en"))
        lying = ModelFiles(name=name, path=Path(name).expanduser()) if is_path(name) else self._lying(own)
        return ModelFacts(multilingual=lying is None or lying.vocabulary_size() >= _MULTILINGUAL_VOCABULARY)

    def _given(self, name: str) -> ModelFiles:
        files = ModelFiles(name=name, path=Path(name).expanduser())
        if not files.path.is_dir():
            raise ModelNotFoundError(
                f"There is no model folder {name}; set DEFAULT_WHISPER_MODEL to a folder in CTranslate2's layout, "
                "or to a size such as 'base'."
            )
        return _complete(files)

    def _lying(self, name: str) -> ModelFiles | None:
        for folder in self._folders:
            if (folder / name).is_dir() and any((folder / name).iterdir()):
                return ModelFiles(name=name, path=folder / name)
        return None

    def _packaged(self, name: str) -> ModelFiles | None:
        packaged = find_packaged(name)
        if packaged is None:
            return None
        if packaged.whole:
            return ModelFiles(name=name, path=packaged.folder)
        return self._made(name, packaged.copy_to)

    def _fetched(self, name: str) -> ModelFiles:
        if not self._download or name not in HUB_REPOSITORIES:
            raise ModelNotFoundError(_how_to_get(name, download=self._download))
        return self._made(name, lambda target: self._fetch(HUB_REPOSITORIES[name], target))

    def _made(self, name: str, fill: Callable[[Path], None]) -> ModelFiles:
        refusal: OSError | None = None
        for folder in self._folders:
            try:
                return ModelFiles(name=name, path=make_folder(folder / name, fill))
            except OSError as error:
                if error.errno not in _NOT_WRITABLE:
                    raise
                refusal = error
        raise ModelNotFoundError(
            f"Model {name!r} has to be stored once, and neither {self._folders[0]} nor {self._folders[1]} can be "
            "written; make one of them writable or set MODELS_DIR."
        ) from refusal

    def _checked(self, files: ModelFiles) -> ModelFiles:
        _complete(files)
        expected = CHECKSUMS.get(files.name)
        if expected:
            verify(files.weights, expected, self._folders[0] / ".verified" / f"{files.name}.json")
        return files


def _complete(files: ModelFiles) -> ModelFiles:
    missing = files.missing()
    if missing:
        raise ModelCorruptError(
            f"The model folder {files.path} lacks {', '.join(missing)}; add that, or delete it to have it made again."
        )
    return files


def _how_to_get(name: str, *, download: bool) -> str:
    ways = []
    if name in PIP_EXTRAS:
        ways.append(f"run pip install 'parascribe[{PIP_EXTRAS[name]}]'")
    ways.append(f"put a CTranslate2 folder named {name!r} under MODELS_DIR")
    if name in HUB_REPOSITORIES and not download:
        ways.append("set MODEL_DOWNLOAD=true on a machine with internet")
    return f"Model {name!r} is not on this machine: {', or '.join(ways)}."
