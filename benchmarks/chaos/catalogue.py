"""Every scenario, in the order in which they are played."""

from benchmarks.chaos import (
    broker,
    cancelling,
    clocks,
    database,
    disk,
    messages,
    outages,
    owners,
    poison,
    quiet,
    sharing,
    uploads,
    workers,
)
from benchmarks.chaos.scenario import Scenario

ALL: list[Scenario] = [
    *quiet.SCENARIOS,
    *workers.SCENARIOS,
    *owners.SCENARIOS,
    *clocks.SCENARIOS,
    *poison.SCENARIOS,
    *broker.SCENARIOS,
    *messages.SCENARIOS,
    *database.SCENARIOS,
    *uploads.SCENARIOS,
    *cancelling.SCENARIOS,
    *disk.SCENARIOS,
    *outages.SCENARIOS,
    *sharing.SCENARIOS,
]
