"""The broker cannot be reached, takes nothing, or takes away what is held too long."""

import asyncio
import time

from benchmarks.chaos.recordings import recordings
from benchmarks.chaos.scenario import REAL, SHORT, Scenario
from benchmarks.chaos.stage import Job, Stage
from benchmarks.private.fleet import Shape

BACKLOG = 8
ANSWER_SECONDS = 15.0
CUT_SECONDS, QUICK_CUT_SECONDS = 600.0, 20.0
ALARM_SECONDS, QUICK_ALARM_SECONDS = 300.0, 15.0
NOTICE_SECONDS = 15.0
CLIP_SECONDS = 20.0
CHUNK_SECONDS = 300.0


async def broker_cut(stage: Stage) -> None:
    """Nobody can reach the broker: uploads are taken in up to MAX_QUEUED_TASKS, then refused with a time to wait.

    The workers come later than the cut, so that the backlog fills; they work without the broker, at the sweeper's pace.
    """
    fleet = stage.fleet
    for child in fleet.workers:
        await child.terminate()
    await fleet.ground.broker_relay.refuse()
    stage.outcome.faults += 1
    began = time.monotonic()
    try:
        await _until_full(stage)
        for child in fleet.workers:
            await child.start()
        while time.monotonic() - began < (QUICK_CUT_SECONDS if stage.quick else CUT_SECONDS):
            await _offer(stage)
            await asyncio.sleep(1.0)
    finally:
        await fleet.ground.broker_relay.open()
    again = time.monotonic()
    stage.note(accepted=len(stage.jobs), answers=dict(fleet.client.answers), slowest=round(fleet.client.slowest, 1))
    stage.expect(fleet.client.slowest <= ANSWER_SECONDS, f"a request took {fleet.client.slowest:.1f} s")
    await stage.ended()
    stage.recovered(time.monotonic() - again)


async def _until_full(stage: Stage) -> None:
    """Exactly as many as the backlog takes."""
    while await _offer(stage):
        if len(stage.jobs) > BACKLOG:
            break
    stage.expect(len(stage.jobs) == BACKLOG, f"{len(stage.jobs)} uploads were accepted, the backlog takes {BACKLOG}")


async def _offer(stage: Stage) -> bool:
    """One upload; whether it was accepted. A refusal has to be a 503 that says when to come again."""
    (one,) = await recordings([len(stage.jobs)], CLIP_SECONDS)
    answer = await stage.fleet.client.send(one.data, one.name)
    if answer is not None and answer.status_code == 202:
        stage.jobs.append(Job(task_id=answer.json()["task_id"], recording=one))
        return True
    proper = answer is not None and answer.status_code == 503 and answer.headers.get("Retry-After", "").isdecimal()
    stage.expect(proper, f"an upload was answered with {answer} {answer and dict(answer.headers)}")
    return False


async def broker_alarm(stage: Stage) -> None:
    """The node says that its disk is full and reads from no publisher any more; then it has room again."""
    rabbit, client = stage.fleet.ground.rabbit, stage.fleet.client
    await stage.submit(1)
    for _ in range(stage.size):
        await asyncio.to_thread(rabbit.ctl, "set_disk_free_limit", "9999GB")
        try:
            stage.outcome.faults += 1
            noticed = await stage.until(lambda: _is_ready(stage, wanted=False), 2 * NOTICE_SECONDS)
            await _uploads_for(stage, QUICK_ALARM_SECONDS if stage.quick else ALARM_SECONDS)
        finally:
            await asyncio.to_thread(rabbit.ctl, "set_disk_free_limit", "1MB")
        back = await stage.until(lambda: _is_ready(stage, wanted=True), 2 * NOTICE_SECONDS)
        stage.recovered(back if back is not None else 2 * NOTICE_SECONDS)
        stage.note(noticed_seconds=noticed and round(noticed, 1), slowest_request_seconds=round(client.slowest, 1))
        stage.expect(noticed is not None and noticed <= NOTICE_SECONDS, "/readyz did not tell of the alarm in time")
        stage.expect(back is not None and back <= NOTICE_SECONDS, "/readyz did not tell of the alarm's end in time")
    stage.expect(client.slowest <= ANSWER_SECONDS, f"a request took {client.slowest:.1f} s")


async def _uploads_for(stage: Stage, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await _offer(stage)
        await asyncio.sleep(2.0)


async def _is_ready(stage: Stage, *, wanted: bool) -> bool:
    return await stage.fleet.answering() is wanted


async def consumer_timeout(stage: Stage) -> None:
    """Chunks take longer than the broker lets a consumer hold a message: channels close, nothing is redone."""
    await stage.submit(2, 40.0)
    stage.outcome.faults = 1
    stage.patience = 6 * CHUNK_SECONDS
    await stage.ended()
    stage.expect(stage.retranscribed() == 0, "a chunk was transcribed again because its message came again")


SCENARIOS = [
    Scenario(
        name="broker-cut",
        play=broker_cut,
        full=1,
        quick=1,
        shape=Shape(settings={**SHORT, "max_queued_tasks": BACKLOG}, engine={"speed": 10}),
    ),
    Scenario(name="broker-alarm", play=broker_alarm, full=1, quick=1, shape=Shape(settings=REAL, engine={"speed": 10})),
    Scenario(
        name="consumer-timeout",
        play=consumer_timeout,
        full=1,
        quick=None,
        # The least value that the broker supports; it looks once a minute.
        rabbit_conf=("consumer_timeout = 60000",),
        shape=Shape(
            settings={**REAL, "batch_size": 1, "batch_deadline_seconds": 900},
            engine={"hang": {"match": [""], "seconds": CHUNK_SECONDS}},
        ),
    ),
]
