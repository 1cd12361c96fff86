"""A scenario: its fleet, its play, and how many faults it makes in the quick and in the full run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.chaos.stage import Stage
from benchmarks.private.fleet import Shape
from core.config import Guard

Play = Callable[[Stage], Awaitable[None]]

# What waits in production is short here, unless a scenario says otherwise: its figure is then about the real values.
SHORT: dict[str, object] = {
    "heartbeat_seconds": 0.5,
    "dead_after_seconds": 3.0,
    "sweep_seconds": 0.5,
    "lost_seconds": 3.0,
    "orphan_seconds": 3.0,
    "retry_delay_seconds": 0.2,
    "max_parallel_workers": 2,
    "batch_size": 2,
    "max_concurrent_jobs": 2,
}
REAL: dict[str, object] = {"max_parallel_workers": 2, "batch_size": 2, "max_concurrent_jobs": 2, "orphan_seconds": 3.0}
USUAL = Shape(settings=SHORT, engine={"speed": 20})


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """``quick`` None: only in the full run. ``limit``: seconds after which it has failed, whatever it waits for."""

    name: str
    play: Play
    full: int
    quick: int | None
    shape: Shape = USUAL
    full_settings: Mapping[str, object] = field(default_factory=dict)  # instead of those of the shape
    limit: float = 240.0
    full_limit: float = 3600.0
    clears_within: float = 20.0  # seconds until nothing is left behind
    rabbit_conf: Sequence[str] = ()
    guards: Guard | None = None  # the guard without which it must fail
    needs: Callable[[], str | None] = lambda: None  # why it cannot be run on this machine

    def sized(self, *, quick: bool) -> "Scenario":
        """As it is played in this run."""
        if quick:
            return self
        return replace(self, shape=replace(self.shape, settings={**self.shape.settings, **self.full_settings}))

    def without(self, guard: Guard) -> "Scenario":
        """The same with a guard switched off."""
        settings = {**self.shape.settings, "test_without": f'["{guard}"]'}
        return replace(self, shape=replace(self.shape, settings=settings))
