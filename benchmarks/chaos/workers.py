"""Workers that die: killed, crashed by their engine, asked to leave."""

import asyncio
import time
from functools import partial

from benchmarks.chaos.recordings import recordings
from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.chaos.watching import Finished, first_calls
from benchmarks.private.fleet import START_SECONDS, Shape
from benchmarks.private.processes import Child, Exit
from core.ports import Queue

JOBS = 20
SLOTS, BATCH = 2, 2  # as in the settings
BACK_SECONDS, QUICK_BACK_SECONDS = 5.0, 20.0  # the quick form shares its machine with other scenarios
# What a worker logs that had no time to give everything back as it was.
HURRIED = ("not all could be given back in time", "returned, which counts as a delivery")
WORK_SECONDS = 10.0  # until a worker that is up has begun with something
STOP_MARGIN_SECONDS, QUICK_STOP_MARGIN_SECONDS = 5.0, 10.0


async def worker_kill(stage: Stage) -> None:
    """kill -9 of a random worker at random moments. A slot loses at most the batch that it works on."""
    finished = Finished(stage=stage)
    killed: list[tuple[Child, float]] = []
    await stage.submit(JOBS)
    async with first_calls(stage) as first:
        while len(killed) < stage.size:
            await stage.keep_busy()
            child = stage.any_worker()
            await stage.until(partial(_at_work, stage, child), START_SECONDS)  # before, it has nothing to lose
            await stage.moment(1.0)
            await finished.note()
            if child.kill():
                killed.append((child, time.monotonic()))
        await stage.ended()
    stage.outcome.faults = len(killed)
    times = [first.after(child, moment) for child, moment in killed]
    stage.outcome.recoveries = [seconds for seconds in times if seconds is not None]
    stage.note(jobs_done_again=finished.again(), allowed=len(killed) * SLOTS * BATCH)
    stage.expect(stage.retranscribed() > 0, "no kill met a window under way")
    stage.expect(finished.again() == 0, "what was done was transcribed again")
    stage.expect(stage.retranscribed() <= len(killed) * SLOTS * BATCH, "more was lost than what was in the slots")


async def _at_work(stage: Stage, child: Child) -> bool:
    where = {"state": "running", "owner": stage.fleet.identity(child)}
    return bool(await stage.fleet.store["chunks"].count_documents(where))


async def engine_crash(stage: Stage) -> None:
    """SIGSEGV inside the engine, once for each of some windows: the process is the unit that is lost."""
    made = await recordings(range(stage.size))  # more than are needed: two that crash together are one crash
    armed = [window for one in made for window in one.windows[:: 2 * SLOTS * BATCH]]
    crash = {"match": armed, "times": 1, "signal": "SEGV"}
    for child in list(stage.fleet.workers):
        await stage.fleet.replace_worker(child, engine=stage.fleet.engine(crash=crash))
    await stage.fleet.ready()
    async with first_calls(stage) as first:
        for one in made:
            await _room(stage)
            if len(_crashes(stage)) >= stage.size:
                break
            await stage.send(one)
        await stage.ended()
    crashes = _crashes(stage)
    stage.outcome.faults = len(crashes)
    times = [first.after(child, exit_.at) for child, exit_ in crashes]
    stage.outcome.recoveries = [seconds for seconds in times if seconds is not None]
    stage.expect(len(crashes) >= stage.size, f"{len(crashes)} crashes instead of {stage.size}")
    allowed = QUICK_BACK_SECONDS if stage.quick else BACK_SECONDS
    stage.expect(max(stage.outcome.recoveries, default=0) <= allowed, "a worker was back too late")


async def _room(stage: Stage) -> None:
    """So many tasks at a time that there is always something to transcribe for a worker that has come back."""
    await stage.until(lambda: _fewer_than(stage, 4), stage.patience)


async def _fewer_than(stage: Stage, count: int) -> bool:
    return await stage.running() < count


def _crashes(stage: Stage) -> list[tuple[Child, Exit]]:
    return [(child, exit_) for child in stage.fleet.workers for exit_ in child.exits if exit_.code == -11]


async def sigterm(stage: Stage) -> None:
    """SIGTERM at random moments; some windows take longer than the grace and have to be given back."""
    grace = float(str(stage.fleet.shape.settings["shutdown_grace_seconds"]))
    made = await recordings(range(JOBS))
    long = {"match": [one.windows[3][:20] for one in made[:4]], "times": 1, "seconds": 2 * grace}
    for child in list(stage.fleet.workers):
        await stage.fleet.replace_worker(child, engine=stage.fleet.engine(hang=long))
    await stage.fleet.ready()
    await stage.submit(JOBS // 2 if stage.quick else JOBS)
    shares = [stage.size // len(stage.fleet.workers)] * len(stage.fleet.workers)
    await asyncio.gather(
        *(_leave(stage, child, times, grace) for child, times in zip(stage.fleet.workers, shares, strict=True))
    )
    await _delivery_counts(stage)
    seen = await stage.ended()
    attempts = {chunk.attempts for task in seen for chunk in task.chunks}
    stage.expect(attempts == {1}, f"work that was given back counts as attempts: {attempts}")


async def _leave(stage: Stage, child: Child, times: int, grace: float) -> None:
    """A worker that is up is asked to end, again and again: now before it has begun with anything, now at its work.

    (While it starts, the signal just ends it.)
    """
    margin = QUICK_STOP_MARGIN_SECONDS if stage.quick else STOP_MARGIN_SECONDS
    for turn in range(times):
        await stage.keep_busy()
        await stage.until(lambda: _listed(stage, child), START_SECONDS)
        if turn % 2:
            await stage.until(partial(_at_work, stage, child), WORK_SECONDS)
        await stage.moment(1.0)
        code, seconds = await child.terminate(grace + 4 * margin)
        await child.start()
        stage.outcome.faults += 1
        stage.recovered(seconds)
        stage.expect(code == 0, f"it left with {code}")
        stage.expect(seconds <= grace + margin, f"it took {seconds:.1f} s to leave")


async def _listed(stage: Stage, child: Child) -> bool:
    return stage.fleet.identity(child) in await stage.fleet.listed()


async def _delivery_counts(stage: Stage) -> None:
    """All workers leave: what they gave back lies in the queue as if it had never been delivered."""
    await stage.submit(2)
    await stage.until(lambda: _working(stage), 30.0)
    before = [len(child.printed()) for child in stage.fleet.workers]
    for child in stage.fleet.workers:
        await child.terminate()
    said = [child.printed()[start:] for child, start in zip(stage.fleet.workers, before, strict=True)]
    counts = set()
    for queue in Queue:
        taken = await stage.fleet.queues.take_all(queue)
        counts |= {message.headers.get("x-delivery-count", 0) for message in taken}
        await stage.fleet.queues.give(queue, taken)
    for child in stage.fleet.workers:
        await child.start()
    hurried = sum(text.count(line) for text in said for line in HURRIED)
    stage.note(delivery_counts=sorted(str(count) for count in counts), hurried=hurried)
    stage.expect(counts <= {0}, f"messages that were given back have delivery counts {counts}")


async def _working(stage: Stage) -> bool:
    return bool(await stage.fleet.store["chunks"].count_documents({"state": "running"}))


GRACEFUL = {**SHORT, "shutdown_grace_seconds": 2.0}

SCENARIOS = [
    Scenario(
        name="worker-kill", play=worker_kill, full=100, quick=20, shape=Shape(settings=SHORT, engine={"speed": 6})
    ),
    Scenario(name="engine-crash", play=engine_crash, full=50, quick=6),
    Scenario(
        name="sigterm",
        play=sigterm,
        full=100,
        quick=20,
        shape=Shape(settings=GRACEFUL, engine={"speed": 4}),
        full_settings={"shutdown_grace_seconds": 20.0},
    ),
]
