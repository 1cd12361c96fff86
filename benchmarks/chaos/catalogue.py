"""Every scenario, in the order in which they are played."""

from benchmarks.chaos import broker, database, owners, quiet, workers
from benchmarks.chaos.scenario import Scenario

ALL: list[Scenario] = [
    *quiet.SCENARIOS,
    *workers.SCENARIOS,
    *owners.SCENARIOS,
    *broker.SCENARIOS,
    *database.SCENARIOS,
]
