"""No fault at all: shows that what the other scenarios are compared with is what the product gives."""

from benchmarks.chaos.scenario import Scenario
from benchmarks.chaos.stage import Stage


async def quiet(stage: Stage) -> None:
    """A few tasks, each window transcribed once, by both workers."""
    await stage.submit(stage.size)
    await stage.ended()
    stage.expect(stage.retranscribed() == 0, "windows were transcribed twice without any fault")


SCENARIOS = [Scenario(name="quiet", play=quiet, full=20, quick=4)]
