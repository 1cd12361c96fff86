"""Clocks that disagree: wall time decides nothing, so nothing is taken from the living and no figure falls."""

import asyncio
import time
from pathlib import Path

from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.private.fleet import Shape

JUMP_SECONDS = 10.0
QUICK_SECONDS, FULL_SECONDS = 12.0, 300.0
TAKEN_OVER = "work taken over"


def _library() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def missing() -> str | None:
    """Why this cannot be run here."""
    return None if _library() else "faketime is missing (Debian: apt install faketime)"


async def clocks(stage: Stage) -> None:
    """One worker an hour ahead, one an hour behind, one whose clock jumps: no claim is taken from anybody."""
    file = stage.fleet.folder / "clock"
    await asyncio.to_thread(file.write_text, "+0")
    for name, faked in (("ahead", {"FAKETIME": "+3600"}), ("behind", {"FAKETIME": "-3600"}), ("jumping", _by(file))):
        await stage.fleet.add_worker(name, extra={**_faked(), **faked})
    await stage.fleet.ready()
    jumping = asyncio.create_task(_jump(stage, file))
    highest: dict[str, float] = {}
    deadline = time.monotonic() + (QUICK_SECONDS if stage.quick else FULL_SECONDS)
    try:
        while time.monotonic() < deadline:
            await stage.keep_busy(3)
            await _progress(stage, highest)
    finally:
        jumping.cancel()
    await stage.ended()
    steals = sum(child.printed().count(TAKEN_OVER) for child in stage.fleet.workers)
    stage.note(steals=steals)
    stage.expect(steals == 0, f"{steals} times work was taken from a worker that lived")
    stage.expect(stage.retranscribed() == 0, "windows were transcribed twice")


def _faked() -> dict[str, str]:
    """The wall clock only: no machine's monotonic clock jumps."""
    return {"LD_PRELOAD": str(_library()), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def _by(file: Path) -> dict[str, str]:
    return {"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}


async def _jump(stage: Stage, file: Path) -> None:
    while True:
        await asyncio.sleep(JUMP_SECONDS / (4 if stage.quick else 1))
        stage.outcome.faults += 1
        await asyncio.to_thread(file.write_text, f"{stage.random.randint(-7200, 7200):+d}")


async def _progress(stage: Stage, highest: dict[str, float]) -> None:
    """What a poll tells never falls."""
    for job in stage.jobs[-4:]:
        task = await stage.fleet.client.task(job.task_id)
        if task is not None:
            stage.expect(task["progress"] >= highest.get(job.task_id, 0.0), f"progress of {job.task_id} fell")
            highest[job.task_id] = task["progress"]


SCENARIOS = [
    Scenario(
        name="clocks",
        play=clocks,
        full=1,
        quick=1,
        # Long enough that a worker which gets no processor for a while is not called dead for that.
        shape=Shape(workers=0, settings={**SHORT, "dead_after_seconds": 10.0}, engine={"speed": 6}),
        needs=missing,
    )
]
