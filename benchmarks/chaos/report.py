"""What is printed: a line a scenario and a summary."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(kw_only=True, slots=True)
class Outcome:
    """One scenario. Recovery is in seconds; what it is the time of, each scenario says in docs/reference/chaos.md."""

    scenario: str
    faults: int = 0
    tasks: int = 0
    chunks: int = 0
    lost: int = 0
    duplicated: int = 0
    retranscribed: int = 0
    recoveries: list[float] = field(default_factory=list)
    seed: int = 0
    seconds: float = 0.0
    ok: bool = True
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    guard: str | None = None  # the one that was switched off

    @property
    def line(self) -> dict[str, Any]:
        """As it is printed."""
        values = asdict(self)
        recoveries = values.pop("recoveries")
        values["recovery_p50"], values["recovery_p99"] = (percentile(recoveries, share) for share in (0.5, 0.99))
        values["seconds"] = round(self.seconds, 1)
        if self.guard is None:
            del values["guard"]
        return values


def percentile(values: Sequence[float], share: float) -> float | None:
    """The least value that so many of them do not exceed; None of nothing."""
    if not values:
        return None
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 3)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All of them in one line."""
    return {
        "scenarios": len(outcomes),
        "ok": all(outcome.ok for outcome in outcomes),
        "broken": [outcome.scenario for outcome in outcomes if not outcome.ok],
        "faults": sum(outcome.faults for outcome in outcomes),
        "tasks": sum(outcome.tasks for outcome in outcomes),
        "chunks": sum(outcome.chunks for outcome in outcomes),
        "lost": sum(outcome.lost for outcome in outcomes),
        "duplicated": sum(outcome.duplicated for outcome in outcomes),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
    }


def as_json(values: dict[str, Any]) -> str:
    """One line."""
    return json.dumps(values)


def as_text(outcome: Outcome) -> str:
    """For people."""
    line = outcome.line
    names = ("faults", "tasks", "chunks", "lost", "duplicated", "retranscribed", "recovery_p50", "recovery_p99")
    figures = " ".join(f"{name}={line[name]}" for name in names)
    words = "".join(f"\n    {note}" for note in outcome.notes)
    verdict = "ok    " if outcome.ok else "BROKEN"
    without = f" without {outcome.guard}" if outcome.guard else ""
    more = "".join(f" {name}={value}" for name, value in outcome.figures.items())
    return f"{verdict} {outcome.scenario}{without} {figures}{more} ({outcome.seconds:.0f} s){words}"
