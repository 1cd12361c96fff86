"""What the fake engine is told to do, as JSON in ``FAKE_ENGINE``."""

import signal as signals
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import InvalidRequestError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trouble(_Strict):
    """Windows that something happens to: by the start of their PCM's SHA-256, ``""`` for all of them.

    ``times``: how many attempts of each such window go wrong; null: every one. Earlier attempts are counted in the
    journal, so that they outlive the process.
    """

    match: Sequence[str] = ("",)
    times: int | None = Field(default=None, ge=0)

    def hits(self, digest: str, earlier: int) -> bool:
        """Whether this attempt, after ``earlier`` ones, goes wrong."""
        return digest.startswith(tuple(self.match)) and (self.times is None or earlier < self.times)


class Crash(Trouble):
    """The process kills itself, as native code would."""

    signal: Literal["SEGV", "ABRT", "KILL"] = "SEGV"

    @property
    def number(self) -> signals.Signals:
        """The signal's number."""
        return signals.Signals[f"SIG{self.signal}"]


class Hang(Trouble):
    """The engine does not come back for ``seconds``, or until it is cancelled; ``deaf``: not even then."""

    seconds: float = Field(default=3600.0, gt=0)
    deaf: bool = False


class Hoard(Trouble):
    """So much memory is taken at once, and given back if the process outlives that."""

    megabytes: int = Field(gt=0)


class FakeSpec(_Strict):
    """All of it; ``{}`` is an engine that is instant and never fails."""

    speed: float = Field(default=0.0, ge=0)  # times real time; 0: instant
    load_seconds: float = Field(default=0.0, ge=0)
    journal: Path | None = None  # one line for each attempt at a window: process id, SHA-256 of the PCM
    fail: Trouble | None = None
    exhaust: Trouble | None = None  # memory does not suffice
    crash: Crash | None = None
    hang: Hang | None = None
    hoard: Hoard | None = None
    detect_hang_seconds: float = Field(default=0.0, ge=0)  # finding the language does not come back for so long
    salt: str = ""  # other words for the same audio: shows whose result was kept
    leak_mb: float = Field(default=0.0, ge=0)  # kept for ever, for each window

    @property
    def counts(self) -> bool:
        """Whether earlier attempts have to be known."""
        return any(
            trouble and trouble.times is not None
            for trouble in (self.fail, self.exhaust, self.crash, self.hang, self.hoard)
        )


def parse_spec(text: str) -> FakeSpec:
    """Raises ``InvalidRequestError`` with what is wrong."""
    try:
        spec = FakeSpec.model_validate_json(text or "{}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the JSON"
        raise InvalidRequestError(
            f"FAKE_ENGINE is not right at {where}: {first['msg']}. See core/engines/fake_spec.py.",
            code="invalid_fake_engine",
        ) from error
    if spec.counts and spec.journal is None:
        raise InvalidRequestError(
            "FAKE_ENGINE counts attempts (times) in its journal; name a file as journal.", code="invalid_fake_engine"
        )
    return spec
