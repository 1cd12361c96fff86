"""Windows that take their process down, or never come back: they fail alone, and the others hardly notice."""

import time
from collections.abc import Sequence
from contextlib import nullcontext

from benchmarks.chaos.recordings import Recording, recordings
from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Job, Stage
from benchmarks.private.client import ENDED
from benchmarks.private.fleet import START_SECONDS, Shape
from benchmarks.private.memory_limit import memory_limit, missing

ATTEMPTS = 3
KEPT_SHARE = 0.8
HANG_DEADLINE_SECONDS = 8.0
WINDOW = 3  # of the poisonous recording
POISON = 5000  # its number
CODES = {"SEGV": "worker_crashed", "HANG": "worker_crashed", "KILL": "worker_lost", "MEMORY": "worker_out_of_memory"}
LIMIT_MEGABYTES, TAKEN_MEGABYTES = 1200, 2400  # of both workers together; at once by the poisonous window


async def poison(stage: Stage) -> None:
    """One poisonous window at a time among healthy jobs; the same jobs without it are what theirs is compared with."""
    jobs = 3 if stage.quick else 20
    kinds = ["SEGV"] if stage.quick else list(CODES)
    if not stage.quick and (reason := missing()):
        stage.expect(holds=False, otherwise=f"MEMORY is left out: {reason}")
        kinds.remove("MEMORY")
    quiet = 0.0 if stage.quick else await _healthy(stage, jobs, None)
    for number, kind in enumerate(kinds):
        (bad,) = await recordings([POISON + number])
        with memory_limit(LIMIT_MEGABYTES) if kind == "MEMORY" else nullcontext(()) as prefix:
            seconds = await _beside(stage, bad, kind, jobs, prefix)
            if prefix:  # nobody may be left below the limit
                await _staff(stage, stage.fleet.engine())
        if quiet:
            kept = quiet / seconds
            stage.note(**{f"throughput_kept_{kind.lower()}": round(kept, 3)})
            stage.expect(kept >= KEPT_SHARE, f"healthy jobs kept {kept:.0%} of their throughput beside {kind}")


async def _beside(stage: Stage, bad: Recording, kind: str, jobs: int, prefix: Sequence[str]) -> float:
    """Seconds for so many healthy jobs beside a poisonous one."""
    match = {"match": [bad.windows[WINDOW]]}
    trouble: dict[str, dict[str, object]] = {
        "SEGV": {"crash": {**match, "signal": "SEGV"}},
        "HANG": {"hang": match},
        "KILL": {"crash": {**match, "signal": "KILL"}},
        "MEMORY": {"hoard": {**match, "megabytes": TAKEN_MEGABYTES}},
    }
    await _staff(stage, stage.fleet.engine(**trouble[kind]), prefix)
    job = await stage.send(bad)
    stage.jobs.remove(job)  # it will be partial, and is looked at here
    began = time.monotonic()
    seconds = await _healthy(stage, jobs, kind)
    await _check(stage, job, kind)
    stage.outcome.faults += 1
    stage.recovered(time.monotonic() - began)
    return seconds


async def _staff(stage: Stage, engine: str, prefix: Sequence[str] = ()) -> None:
    """Other workers."""
    for child in list(stage.fleet.workers):
        await stage.fleet.replace_worker(child, engine=engine, prefix=prefix)
    came = await stage.until(lambda: _only_these(stage), START_SECONDS)
    stage.expect(came is not None, "the workers that were to meet it did not come")


async def _only_these(stage: Stage) -> bool:
    """Those that were before them leave the list when they are found dead."""
    return {stage.fleet.identity(child) for child in stage.fleet.workers} == set(await stage.fleet.listed())


async def _healthy(stage: Stage, count: int, kind: str | None) -> float:
    """Seconds for so many healthy jobs."""
    began = time.monotonic()
    jobs = await stage.submit(count)
    for job in jobs:
        left = began + stage.patience - time.monotonic()
        task = await stage.fleet.client.ended(job.task_id, max(0.1, left))
        stage.expect(task is not None and task["status"] == "completed", f"a healthy job was harmed by {kind}")
    return time.monotonic() - began


async def _check(stage: Stage, job: Job, kind: str) -> None:
    """Exactly the poisonous window has failed, for good, and all others of its task are done."""
    task = await stage.fleet.client.ended(job.task_id, 300.0)
    chunks = await stage.fleet.client.chunks(job.task_id)
    failed = [chunk for chunk in chunks if chunk["state"] == "failed"]
    stage.expect(task is not None and task["status"] in ENDED, f"the task with {kind} never ended: {task}")
    stage.expect([chunk["index"] for chunk in failed] == [WINDOW], f"other windows failed beside {kind}: {failed}")
    for chunk in failed:
        stage.note(**{f"attempts_{kind.lower()}": chunk["attempts"]})
        stage.expect(chunk["error"]["code"] == CODES[kind], f"{kind} is told as {chunk['error']}")
        stage.expect(kind == "KILL" or chunk["attempts"] == ATTEMPTS, f"{kind} had {chunk['attempts']} attempts")
    await stage.fleet.client.http.delete(f"{stage.fleet.client.bases[0]}/api/v1/tasks/{job.task_id}")


SCENARIOS = [
    Scenario(
        name="poison",
        play=poison,
        full=3,
        quick=1,
        shape=Shape(
            settings={**SHORT, "batch_deadline_seconds": HANG_DEADLINE_SECONDS},
            engine={"speed": 6},
        ),
    )
]
