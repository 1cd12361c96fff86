"""Every scenario, in the order in which they are played."""

from benchmarks.chaos import quiet
from benchmarks.chaos.scenario import Scenario

ALL: list[Scenario] = [*quiet.SCENARIOS]
