"""Who owns what: workers that stand still and go on, workers that are gone for good, clocks that disagree."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos.invariants import check_text
from benchmarks.chaos.scenario import REAL, SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.private.fleet import Shape
from benchmarks.private.processes import Child

AT_ONCE = 5  # zombies
PATIENCE_SECONDS = 60.0
STALE = "stale result thrown away"
TAKEN_OVER = "work taken over"
RUNNING = {"state": "running"}


@dataclass(kw_only=True, slots=True)
class Tally:
    """What became of the stale writes."""

    refused: int = 0
    missed: list[str] = field(default_factory=list)


async def zombies(stage: Stage) -> None:
    """SIGSTOP in the middle of a window, SIGCONT when somebody else has it: the stale result must not count.

    A zombie's engine says other words than everybody else's, so that a stale result which was kept shows in the text.
    It is killed once its stale write was answered, before it has finished anything else.
    """
    tally = Tally()
    feeding = asyncio.create_task(_feed(stage))
    try:
        for first in range(0, stage.size, AT_ONCE):
            group = range(first, min(first + AT_ONCE, stage.size))
            await asyncio.gather(*(_zombie(stage, number, tally) for number in group))
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    changed = [task.task_id for task in await stage.ended() if check_text(task)]
    stage.note(stale_writes_refused=tally.refused, changed_transcripts=len(changed))
    stage.expect(not changed, f"stale results are in the transcripts of {len(changed)} tasks")
    stage.expect(tally.refused == stage.size, f"not every zombie wrote and was refused: {tally.missed[:3]}")


async def _feed(stage: Stage) -> None:
    while True:
        await stage.keep_busy(4)
        await asyncio.sleep(0.5)


async def _zombie(stage: Stage, number: int, tally: Tally) -> None:
    """One life. The pause is at least as long as its window takes, so that it writes as soon as it goes on."""
    fleet = stage.fleet
    engine = fleet.engine(salt="zombie", speed=1.5)
    child = await fleet.add_worker(f"zombie-{number}", engine=engine, max_parallel_workers=1, batch_size=1)
    try:
        claim = await _first_claim(stage, child)
        child.pause()
        stage.outcome.faults += 1
        paused = time.monotonic()
        await _taken_over(stage, claim, least=7.5 / 1.5)
        stage.recovered(time.monotonic() - paused)
        child.resume()
        refused = await stage.until(lambda: _printed(child, STALE), 3.0)
        tally.refused += refused is not None
        if refused is None:
            tally.missed.append(f"{claim['_id']} of {child.name}: {child.printed()[-500:]}")
    finally:
        child.kill()
        await fleet.dismiss(child)


async def _first_claim(stage: Stage, child: Child) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        owner = stage.fleet.identity(child)
        claim = owner and await stage.fleet.store["chunks"].find_one({**RUNNING, "owner": owner})
        if claim and any(call.pid == child.pid for call in stage.calls()):  # its engine is at it
            return claim
        await asyncio.sleep(0.02)
    raise TimeoutError(f"{child.name} got nothing to do")


async def _taken_over(stage: Stage, claim: Any, *, least: float) -> None:
    """Until somebody else runs it, or has done it."""
    began = time.monotonic()

    async def elsewhere() -> bool:
        now = await stage.fleet.store["chunks"].find_one({"_id": claim["_id"]})
        return bool(now and now["fence"] > claim["fence"] and now["state"] in {"running", "done"})

    if await stage.until(elsewhere, PATIENCE_SECONDS) is None:
        raise TimeoutError(f"nobody took over {claim['_id']}")
    await asyncio.sleep(max(0.0, began + least - time.monotonic()))


async def _printed(child: Child, words: str) -> bool:
    return words in await asyncio.to_thread(child.printed)


async def takeover(stage: Stage) -> None:
    """A machine is gone for good: others take over its claims within the time that its silence allows."""
    settings = stage.fleet.shape.settings
    allowed = 1.5 * float(str(settings["dead_after_seconds"])) if not stage.quick else 10.0
    await stage.submit(6)
    for number in range(stage.size):
        await stage.keep_busy(4)
        child = await stage.fleet.add_worker(f"mortal-{number}")
        claim = await _first_claim(stage, child)
        await stage.moment(0.5)
        began = time.monotonic()
        await stage.fleet.dismiss(child)
        stage.outcome.faults += 1
        seconds = await stage.until(lambda claim=claim: _disowned(stage, claim["owner"]), 3 * allowed)  # type: ignore[misc]
        stage.expect(seconds is not None, f"nobody took over from {child.name}")
        stage.recovered(time.monotonic() - began)
    stage.note(allowed_seconds=allowed)
    stage.expect(max(stage.outcome.recoveries, default=0) <= allowed, "a takeover took too long")


async def _disowned(stage: Stage, owner: str) -> bool:
    claims = [await stage.fleet.store[name].count_documents({"owner": owner}) for name in ("tasks", "chunks")]
    return not any(claims)


LONG_WINDOWS = Shape(settings=SHORT, engine={"speed": 3})
HEARTBEATS = {"heartbeat_seconds": 10.0, "dead_after_seconds": 30.0, "sweep_seconds": 5.0, "lost_seconds": 20.0}

SCENARIOS = [
    Scenario(name="zombies", play=zombies, full=50, quick=5, shape=LONG_WINDOWS, guards="fence"),
    Scenario(
        name="takeover", play=takeover, full=20, quick=2, shape=LONG_WINDOWS, full_settings={**REAL, **HEARTBEATS}
    ),
]
