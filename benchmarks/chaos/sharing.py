"""One long file over several processes, and workers that are busy but alive."""

import asyncio
import sys
import time
from collections import Counter

from benchmarks.chaos.owners import HEARTBEATS, TAKEN_OVER
from benchmarks.chaos.scenario import REAL, SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.private.fleet import Shape
from core.config import usable_cores

LONG_SECONDS = 3600.0
FAIR_SHARE = 0.2
BURN = "while True: pass"


async def long_file(stage: Stage) -> None:
    """An hour of audio over three processes: each does its share while it is still being cut. Then two are killed."""
    await stage.submit(1, LONG_SECONDS)
    cut = await _until_cut(stage)
    while_cutting = _shares(stage, cut)
    await stage.ended()
    stage.note(shares_while_cutting=while_cutting, shares=_shares(stage, len(stage.calls())))
    least = min(while_cutting) if len(while_cutting) == len(stage.fleet.workers) else 0.0
    stage.expect(least >= FAIR_SHARE, f"a process had {least:.0%} of the chunks while the file was being cut")
    await stage.submit(1, LONG_SECONDS)
    for child in stage.random.sample(stage.fleet.workers, stage.size):
        await stage.moment(10.0)
        child.kill()
        stage.outcome.faults += 1


async def _until_cut(stage: Stage) -> int:
    """How many windows had been tried when the last one became known."""
    task_id = stage.jobs[-1].task_id

    async def cut() -> bool:
        task = await stage.fleet.client.task(task_id)
        return task is not None and task["chunks_total"] is not None

    await stage.until(cut, stage.patience)
    return len(stage.calls())


def _shares(stage: Stage, count: int) -> list[float]:
    """Of each process, least first."""
    calls = Counter(call.pid for call in stage.calls()[:count])
    return sorted(round(number / max(1, count), 3) for number in calls.values())


async def busy(stage: Stage) -> None:
    """Twice as many programs as cores take all the time that they can get; nobody is called dead who lives."""
    burners = [await asyncio.create_subprocess_exec(sys.executable, "-c", BURN) for _ in range(2 * usable_cores())]
    deadline = time.monotonic() + 60 * stage.size
    try:
        while time.monotonic() < deadline:
            await stage.keep_busy(3)
            await asyncio.sleep(1.0)
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()
    steals = sum(child.printed().count(TAKEN_OVER) for child in stage.fleet.workers)
    stage.outcome.faults = len(burners)
    stage.note(takeovers_of_the_living=steals, minutes=stage.size)
    stage.expect(steals == 0, f"{steals} times work was taken from a worker that lived")


SCENARIOS = [
    Scenario(
        name="long-file",
        play=long_file,
        full=2,
        quick=None,
        shape=Shape(workers=3, settings={**REAL, "batch_size": 4}, engine={"speed": 60}),
    ),
    Scenario(
        name="busy",
        play=busy,
        full=10,
        quick=None,
        shape=Shape(settings={**REAL, **HEARTBEATS}, engine={"speed": 6}),
    ),
    # Two hours and more, if everybody waits a tenth as long: a stall of 3 s is a death.
    Scenario(name="busy-hours", play=busy, full=15, quick=None, shape=Shape(settings=SHORT, engine={"speed": 6})),
]
