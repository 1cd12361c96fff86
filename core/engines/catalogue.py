"""The models that have a name, and where each is published."""

import re

from core.errors import InvalidRequestError

_SYSTRAN = "Systran/faster-"

HUB_REPOSITORIES: dict[str, str] = {
    **{
        size: f"{_SYSTRAN}whisper-{size}"
        for size in ("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en")
    },
    **{size: f"{_SYSTRAN}whisper-{size}" for size in ("large-v1", "large-v2", "large-v3")},
    **{
        f"distil-{size}": f"{_SYSTRAN}distil-whisper-{size}"
        for size in ("small.en", "medium.en", "large-v2", "large-v3")
    },
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}

ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}

# SHA-256 of ``model.bin`` as published in the repositories above.
CHECKSUMS = {
    "base": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "tiny.en": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
}

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def canonical(name: str) -> str:
    """The name under which a model lies on disk: ``turbo`` is ``large-v3-turbo``."""
    return ALIASES.get(name, name)


def is_path(name: str) -> bool:
    """True for what the operator wrote as a directory, not as a name: anything with a separator, or starting with ~."""
    return "/" in name or "\\" in name or name.startswith("~") or name in {".", ".."}


def check_shape(name: str) -> str:
    """``name`` if it can be the name of a model or of a folder, never a path. Raises ``InvalidRequestError``."""
    if not _FOLDER_NAME.fullmatch(name) or ".." in name:
        raise InvalidRequestError(
            f"The model {name[:100]!r} is not a model's name; use a size such as 'base' or 'large-v3'.",
            code="invalid_model",
        )
    return name
