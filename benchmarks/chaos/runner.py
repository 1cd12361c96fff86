"""Plays scenarios one after the other and judges each."""

import asyncio
import json
import random
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from benchmarks.chaos.evidence import left_over
from benchmarks.chaos.invariants import judge
from benchmarks.chaos.report import Outcome
from benchmarks.chaos.scenario import Scenario
from benchmarks.chaos.stage import END_SECONDS, Stage, timed, windows_of
from benchmarks.private.fleet import Fleet, running_fleet
from benchmarks.private.ground import Ground, standing
from core.config import Guard

STOP_SECONDS = 30.0
BROKEN_SECONDS = 15.0  # how long to wait for what will not come
DRIVERS = ('"logger": "aio', "Cancelling cause reader exited abnormally")  # they tell of every cut with its trace


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What was asked for. ``logs``: where to keep what the processes print; None: nowhere."""

    seed: int
    quick: bool
    logs: Path | None = None


async def play_all(scenarios: Sequence[Scenario], run: Run, *, lanes: int) -> AsyncIterator[Outcome]:
    """In the order of their ends. Each lane has a broker and a database of its own, and takes the next when it is free.

    Scenarios wait more than they work, so two lanes take half the time. Figures about time are from one lane.
    """
    for conf, group in groupby(scenarios, key=lambda scenario: tuple(scenario.rabbit_conf)):
        left = deque(group)
        ended: asyncio.Queue[Outcome] = asyncio.Queue()
        count = len(left)
        async with asyncio.TaskGroup() as running:
            for _ in range(min(lanes, count)):
                running.create_task(_lane(left, ended, conf, run))
            for _ in range(count):
                yield await ended.get()


async def _lane(left: "deque[Scenario]", ended: "asyncio.Queue[Outcome]", conf: Sequence[str], run: Run) -> None:
    async with _ground(conf) as ground:
        while left:
            ended.put_nowait(await play_one(ground, left.popleft(), run))


@asynccontextmanager
async def _ground(conf: Sequence[str] = ()) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parascribe-chaos-")))
        yield await stack.enter_async_context(standing(folder, rabbit_conf=conf))


async def play_guards(scenarios: Sequence[Scenario], run: Run) -> AsyncIterator[Outcome]:
    """Each scenario that shows a guard to be needed, with the guard (not in the quick form) and without it.

    Without it the outcome has to be broken, so that is what ``ok`` says of it.
    """
    short = replace(run, quick=True)
    async with _ground() as ground:
        for scenario in scenarios:
            if scenario.guards is None:
                continue
            if not run.quick:
                yield await play_one(ground, scenario, short)
            outcome = await play_one(ground, scenario, short, without=scenario.guards)
            outcome.ok, outcome.notes = not outcome.ok, [f"without it: {note[:200]}" for note in outcome.notes[:3]]
            yield outcome


async def play_one(ground: Ground, scenario: Scenario, run: Run, *, without: Guard | None = None) -> Outcome:
    """One scenario on a fleet of its own. Whatever it raises is a broken outcome."""
    outcome = Outcome(scenario=scenario.name, seed=run.seed, guard=without)
    reason = scenario.needs()
    if reason is not None:
        outcome.notes.append(f"not run: {reason}")
        return outcome
    sized = scenario.sized(quick=run.quick)
    async with timed(outcome):
        try:
            async with asyncio.timeout(scenario.limit if run.quick else scenario.full_limit):
                await _play(ground, sized.without(without) if without else sized, outcome, run)
        except Exception as error:  # noqa: BLE001 - a scenario that breaks off has failed, the others go on
            outcome.ok = False
            outcome.notes.append(f"broke off: {_sentence(error)}")
    return outcome


async def _play(ground: Ground, scenario: Scenario, outcome: Outcome, run: Run) -> None:
    size = scenario.quick if run.quick and scenario.quick is not None else scenario.full
    # The seed names the schedule of this scenario, whichever others are played with it.
    chance = random.Random(f"{outcome.seed}/{scenario.name}")
    patience = END_SECONDS if outcome.guard is None else BROKEN_SECONDS
    async with running_fleet(ground, scenario.shape, scenario.name) as fleet:
        stage = Stage(fleet=fleet, random=chance, size=size, quick=run.quick, outcome=outcome, patience=patience)
        try:
            await scenario.play(stage)
            if outcome.ok or outcome.guard is None:  # what is broken already need not be looked at any longer
                await _judge(stage, scenario)
        except Exception:
            outcome.notes.append(fleet.tails()[-6000:])
            raise
        finally:
            if run.logs is not None:
                await asyncio.to_thread(_keep_logs, fleet, run.logs / scenario.name)


def _keep_logs(fleet: Fleet, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in fleet.folder.glob("*.log"):
        shutil.copy(log, folder)


async def _judge(stage: Stage, scenario: Scenario) -> None:
    """After the play: wait for the ends, stop the fleet in order, and look for what is left."""
    outcome, fleet = stage.outcome, stage.fleet
    tasks = await stage.ended()
    left = await left_over(fleet, min(scenario.clears_within, stage.patience))
    verdict = judge(tasks, left, expected=stage.expected)
    verdict.broken += await _stopped(fleet)
    outcome.tasks, outcome.chunks = len(stage.jobs), windows_of(stage.jobs)
    outcome.lost, outcome.duplicated = verdict.lost, verdict.duplicated
    outcome.retranscribed = stage.retranscribed()
    outcome.ok = outcome.ok and not verdict.broken
    outcome.notes += verdict.broken[:10]


async def _stopped(fleet: Fleet) -> list[str]:
    """SIGTERM for all: everybody leaves with 0, no message comes back, no worker stays on the list."""
    ends = await asyncio.gather(*(child.terminate(STOP_SECONDS) for child in (*fleet.apis, *fleet.workers)))
    broken = [f"a process left with {code}" for code, _ in ends if code != 0]
    broken += [f"message left: {line}" for line in await fleet.queues.waiting()]
    left = await fleet.listed()
    return broken + ([f"workers still on the list: {left}"] if left else []) + _traces(fleet)


def _traces(fleet: Fleet) -> list[str]:
    """Errors that nobody foresaw are told in the logs with their trace."""
    broken = []
    for child in (*fleet.apis, *fleet.workers):
        lines = [line for line in child.printed().splitlines() if _is_trace(line)]
        if lines:
            broken.append(f"{child.name} logged {len(lines)} unforeseen errors: {_short(lines[0])}")
    return broken


def _is_trace(line: str) -> bool:
    return ('"exception"' in line or "Traceback" in line) and not any(driver in line for driver in DRIVERS)


def _short(line: str) -> str:
    try:
        fields = json.loads(line)
    except ValueError:
        return line[:300]
    return f"{fields.get('event')}: {str(fields.get('exception'))[-300:]}"


def _sentence(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_sentence(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"
