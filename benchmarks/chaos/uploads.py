"""The API in the middle of uploads: killed at any byte, asked the same a hundred times, restarted under load."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlparse

from benchmarks.chaos.invariants import check_twice
from benchmarks.chaos.recordings import Recording, recordings
from benchmarks.chaos.scenario import USUAL, Scenario
from benchmarks.chaos.stage import Job, Stage
from benchmarks.private.fleet import Fleet, Shape
from benchmarks.private.processes import Child

CLIP_SECONDS = 20.0
AT_ONCE = 2  # uploads
QUICK_EVERY = 3  # of the pairs of uploads is hit in the quick form; in the full one all are
BLOCK = 16_384
SAME = 100
ALLOWED = frozenset({"202", "200", "503", "ConnectError"})


@dataclass(kw_only=True, slots=True)
class Attempt:
    """One upload on a connection of its own. ``task_id``: from a 202 that was read."""

    name: str
    recording: Recording
    sent: int = 0
    task_id: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the API may have had all of it."""
        return self.sent >= len(self.recording.data)


async def api_kill(stage: Stage) -> None:
    """kill -9 at random byte offsets of uploads, two at a time. Half of those that were hit are sent again by key.

    Without a 202 there must be no task, unless the whole body had arrived: then its answer may be what was lost. Such a
    task has to end like any other, and there is at most one of it, however often it is sent again with its key.
    """
    fleet = stage.fleet
    made = await recordings(range(stage.size), CLIP_SECONDS)
    attempts = [Attempt(name=f"upload-{number}.wav", recording=one) for number, one in enumerate(made)]
    for first in range(0, len(attempts), AT_ONCE):
        group = attempts[first : first + AT_ONCE]
        hit = not stage.quick or first // AT_ONCE % QUICK_EVERY == 0
        victim = stage.random.choice(group) if hit else None
        offset = stage.random.randrange(len(group[0].recording.data) + BLOCK)
        await asyncio.gather(*(_attempt(stage, one, offset if one is victim else None) for one in group))
    await fleet.ready()
    refused = [one for one in attempts if one.task_id is None]
    for one in refused[::2]:
        one.task_id = await fleet.client.upload(one.recording.data, one.name, key=one.name)
    await _account(stage, attempts)


async def _attempt(stage: Stage, one: Attempt, kill_at: int | None) -> None:
    """Send it block by block; where told, kill the API once so much is sent."""
    api = stage.fleet.apis[0]
    await stage.until(stage.fleet.answering, 30.0)
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
        await _send(stage.fleet, one, stop_at=kill_at)
    if kill_at is not None:
        began = time.monotonic()
        pid = api.kill()
        stage.outcome.faults += 1
        await api.restarted(pid)
        await stage.until(stage.fleet.answering, 30.0)
        stage.recovered(time.monotonic() - began)


async def _send(fleet: Fleet, one: Attempt, *, stop_at: int | None) -> None:
    """``stop_at``: bytes after which it is left alone; beyond the body's end: once all of it is sent."""
    port = urlparse(fleet.client.bases[0]).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = one.recording.data
    head = f"POST /api/v1/tasks?filename={one.name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    writer.write(f"{head}Idempotency-Key: {one.name}\r\nContent-Length: {len(data)}\r\n\r\n".encode())
    end = len(data) if stop_at is None else min(stop_at, len(data))
    while one.sent < end:
        block = data[one.sent : min(one.sent + BLOCK, end)]
        writer.write(block)
        one.sent += len(block)
        await writer.drain()
    if stop_at is not None:
        return
    status = await reader.readline()
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    if b" 202 " in status:
        one.task_id = _task_id(body)


def _task_id(body: bytes) -> str:
    """The id out of a JSON answer, which may be sent in chunks."""
    return body.partition(b'"task_id"')[2].split(b'"')[1].decode()


async def _account(stage: Stage, attempts: list[Attempt]) -> None:
    """Every task that is there was accepted, or had all of its bytes; one each."""
    by_name = {one.name: one for one in attempts}
    found = await stage.fleet.client.every()
    unknown = [task["filename"] for task in found if not _explained(by_name[task["filename"]])]
    twice = check_twice([(task["filename"], task["task_id"]) for task in found])
    stage.jobs = [Job(task_id=task["task_id"], recording=by_name[task["filename"]].recording) for task in found]
    there = {task["task_id"] for task in found}
    gone = [one.name for one in attempts if one.task_id is not None and one.task_id not in there]
    stage.outcome.lost += len(gone)
    stage.note(uploads=len(attempts), accepted=sum(one.task_id is not None for one in attempts))
    stage.expect(not unknown, f"tasks without a 202 and without all of their bytes: {unknown}")
    stage.expect(not twice, "; ".join(twice))
    stage.expect(not gone, f"accepted and gone: {gone}")


def _explained(one: Attempt) -> bool:
    return one.task_id is not None or one.whole


async def idempotency(stage: Stage) -> None:
    """The same upload with the same key, a hundred times at once over both APIs: one task. Another body: 422."""
    one, other = await recordings(range(2), CLIP_SECONDS / 2)
    headers = {"Idempotency-Key": f"same-{stage.outcome.seed}"}
    client = stage.fleet.client
    answers = await asyncio.gather(*(client.send(one.data, one.name, headers) for _ in range(SAME)))
    ids = {answer.json()["task_id"] for answer in answers if answer is not None and answer.status_code == 202}
    statuses = Counter(answer.status_code if answer is not None else 0 for answer in answers)
    wrong = await client.send(other.data, one.name, headers)
    stage.outcome.faults = SAME
    stage.jobs = [Job(task_id=task["task_id"], recording=one) for task in await client.every()]
    stage.expect(statuses == {202: SAME}, f"not all were answered with 202: {dict(statuses)}")
    stage.expect(len(ids) == 1 and len(stage.jobs) == 1, f"{SAME} equal uploads became {len(stage.jobs)} tasks")
    stage.expect(wrong is not None and wrong.status_code == 422, f"another body was answered with {wrong}")


async def rolling(stage: Stage) -> None:
    """Restart both APIs and both workers, one after the other, while clients upload and poll."""
    fleet = stage.fleet
    fleet.client.http.headers["Connection"] = "close"  # who keeps connections has to expect that they end
    load = [asyncio.create_task(_upload_on(stage, 1000 * line)) for line in (1, 2)]
    try:
        for _ in range(stage.size):
            for child in (*fleet.apis, *fleet.workers):
                await _restart(stage, child)
    finally:
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    strange = {answer: count for answer, count in fleet.client.answers.items() if answer not in ALLOWED}
    stage.note(answers=dict(fleet.client.answers))
    stage.expect(not strange, f"clients saw {strange}")


async def _restart(stage: Stage, child: Child) -> None:
    code, seconds = await child.terminate()
    await child.start()
    await stage.fleet.ready()
    stage.outcome.faults += 1
    stage.recovered(seconds)
    stage.expect(code == 0, f"{child.name} left with {code}")


async def _upload_on(stage: Stage, number: int) -> None:
    """Uploads without end, one after the other."""
    while True:
        (one,) = await recordings([number], CLIP_SECONDS)
        await stage.send(one)
        number += 1
        await asyncio.sleep(0.7)


PAIR = Shape(workers=2, apis=2, settings=USUAL.settings, engine=USUAL.engine)

SCENARIOS = [
    Scenario(name="api-kill", play=api_kill, full=200, quick=30),
    Scenario(name="idempotency", play=idempotency, full=1, quick=1, shape=PAIR),
    Scenario(name="rolling", play=rolling, full=20, quick=2, shape=PAIR),
]
