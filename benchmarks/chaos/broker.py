"""The broker: killed, wiped, away, deaf, full. It is only a wake-up, so whatever happens to it costs time alone."""

import asyncio
import time

from benchmarks.chaos.scenario import REAL, SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.private.fleet import Shape
from core.ports import Queue

JOBS = 20
BACK_SECONDS = 30.0
RESUME_SECONDS = 60.0


async def broker_kill(stage: Stage) -> None:
    """kill -9 of the node while tasks come in and are worked on; the same data afterwards."""
    feeding = asyncio.create_task(_feed(stage))
    try:
        for _ in range(stage.size):
            await stage.moment(3.0)
            await stage.fleet.ground.broker_back()
            stage.outcome.faults += 1
            await _consumed_again(stage, BACK_SECONDS)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(stage: Stage) -> None:
    """So many tasks over the whole play, and more when those are done."""
    for _ in range(JOBS // 2 if stage.quick else JOBS):
        await stage.submit(1)
    while True:
        await stage.keep_busy(2)
        await asyncio.sleep(0.2)


async def _consumed_again(stage: Stage, allowed: float) -> None:
    """From the moment at which the broker answers again: every worker consumes both queues."""
    workers = len(stage.fleet.workers)
    seconds = await stage.until(lambda: stage.fleet.queues.consumed(workers), 2 * allowed)
    stage.recovered(seconds if seconds is not None else 2 * allowed)
    stage.expect(seconds is not None and seconds <= allowed, f"not consumed {allowed:.0f} s after the fault")


async def broker_wipe(stage: Stage) -> None:
    """All data of the node are gone: queues, messages, users' settings. Nobody does anything about it."""
    for _ in range(stage.size):
        await stage.submit(6)
        await stage.until(lambda: _working(stage), 30.0)
        await stage.fleet.ground.broker_back(wipe=True)
        began = time.monotonic()
        stage.outcome.faults += 1
        open_now = await _progress(stage)
        stage.expect(bool(open_now), "all had ended before the broker was wiped")
        seconds = await stage.until(lambda then=open_now: _all_moved(stage, then), 2 * RESUME_SECONDS)  # type: ignore[misc]
        stage.recovered(time.monotonic() - began)
        stage.expect(seconds is not None and seconds <= RESUME_SECONDS, "some task did not go on within 60 s")


async def _working(stage: Stage) -> bool:
    return bool(await stage.fleet.store["chunks"].count_documents({"state": "done"}))


async def _progress(stage: Stage) -> dict[str, int]:
    """Open tasks and how many of their chunks are done."""
    open_tasks = stage.fleet.store["tasks"].find({"status": {"$in": ["queued", "preparing", "processing"]}}, {"_id": 1})
    return {task["_id"]: await _done(stage, task["_id"]) async for task in open_tasks}


async def _all_moved(stage: Stage, then: dict[str, int]) -> bool:
    """Each of these tasks has more chunks done than it had, or has ended."""
    now = await _progress(stage)
    return all(task_id not in now or now[task_id] > done for task_id, done in then.items())


async def _done(stage: Stage, task_id: str) -> int:
    return int(await stage.fleet.store["chunks"].count_documents({"task": task_id, "state": "done"}))


async def queue_deleted(stage: Stage) -> None:
    """An operator deletes a queue under its consumers: the broker cancels them without a word to anybody else."""
    for number in range(stage.size):
        await stage.keep_busy(3)
        await stage.moment(1.0)
        await stage.fleet.queues.delete(list(Queue)[number % 2])
        stage.outcome.faults += 1
        await _consumed_again(stage, BACK_SECONDS)


SCENARIOS = [
    Scenario(name="broker-kill", play=broker_kill, full=30, quick=3, shape=Shape(settings=SHORT, engine={"speed": 8})),
    Scenario(
        name="broker-wipe",
        play=broker_wipe,
        full=3,
        quick=1,
        # The waits of production: the figure is about them.
        shape=Shape(settings=REAL, engine={"speed": 3}),
        guards="sweeper",
    ),
    Scenario(name="queue-deleted", play=queue_deleted, full=20, quick=3, guards="watchdog"),
]
