"""The database: frozen, and answering into connections that are reset. Nothing happens twice, nothing is lost."""

import asyncio
import time

from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.private.fleet import Shape

FREEZE_SECONDS, QUICK_FREEZE_SECONDS = 60.0, 10.0
ANSWER_SECONDS = 15.0  # an API request, whatever the database does
WRITES = (b"insert\x00", b"update\x00", b"delete\x00", b"findAndModify\x00")
HEAD_BYTES = 64  # of an OP_MSG: header, flags, the first field's name
CUT_SHARE = 0.1


async def database_freeze(stage: Stage) -> None:
    """SIGSTOP of the server: connections stay open and nothing answers."""
    await stage.submit(6)
    client = stage.fleet.client
    for _ in range(stage.size):
        await stage.keep_busy(3)
        await stage.moment(1.5)
        process = stage.fleet.ground.database_process
        process.pause()
        try:
            await _asked_while(stage, QUICK_FREEZE_SECONDS if stage.quick else FREEZE_SECONDS)
        finally:
            process.resume()
        stage.outcome.faults += 1
        began = time.monotonic()
        await client.get("/readyz", 30.0)
        stage.recovered(time.monotonic() - began)
    stage.note(slowest_request_seconds=round(client.slowest, 1))
    stage.expect(client.slowest <= ANSWER_SECONDS, f"a request took {client.slowest:.1f} s")


async def _asked_while(stage: Stage, seconds: float) -> None:
    """Polls all the while; /livez must answer 200."""
    base, deadline = stage.fleet.client.bases[0], time.monotonic() + seconds
    while time.monotonic() < deadline:
        alive = await stage.fleet.client.http.get(base + "/livez", timeout=5)
        stage.expect(alive.status_code == 200, f"/livez said {alive.status_code}")
        await stage.fleet.client.ask("GET", f"/api/v1/tasks/{stage.jobs[-1].task_id}")
        await asyncio.sleep(0.5)


async def lost_answers(stage: Stage) -> None:
    """The request arrives, its answer does not: the connection is reset in between. Every tenth write or so."""
    relay = stage.fleet.ground.database_relay
    relay.cuts = 0

    def loses(request: bytes) -> bool:
        head = request[:HEAD_BYTES]
        return any(name in head for name in WRITES) and stage.random.random() < CUT_SHARE

    relay.loses = loses
    try:
        while relay.cuts < stage.size:
            await stage.keep_busy(3)
            await asyncio.sleep(0.1)
    finally:
        relay.loses = lambda _: False
    stage.outcome.faults = relay.cuts


SCENARIOS = [
    Scenario(name="database-freeze", play=database_freeze, full=20, quick=2),
    Scenario(
        name="lost-answers", play=lost_answers, full=500, quick=100, shape=Shape(settings=SHORT, engine={"speed": 20})
    ),
]
