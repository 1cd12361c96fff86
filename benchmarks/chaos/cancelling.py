"""Tasks that are cancelled at any moment of their lives."""

import asyncio
import time

from benchmarks.chaos.recordings import recordings
from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Job, Stage
from benchmarks.private.fleet import Shape
from core.ports import Message, Queue

CLIP_SECONDS = 30.0
AT_ONCE = 5
FINAL_SECONDS = 5.0
SPEED = 3.0
LONGEST_WINDOW = 8.0  # seconds of audio in these clips
MOST_SECONDS = LONGEST_WINDOW / SPEED + 1.5  # a chunk, and the worker's look at whether it is still wanted


async def cancel(stage: Stage) -> None:
    """State final and blobs gone within 5 s, the engine stops within a chunk, later messages change nothing."""
    stage.expected = frozenset({"cancelled", "completed"})
    made = await recordings(range(stage.size), CLIP_SECONDS)
    for first in range(0, stage.size, AT_ONCE):
        jobs = [await stage.send(one) for one in made[first : first + AT_ONCE]]
        await asyncio.gather(*(_cancel(stage, job) for job in jobs))
    before = len(stage.calls())
    cancelled = [job for job in stage.jobs if await _status(stage, job) == "cancelled"]
    messages = [Message(task_id=job.task_id, chunk=index) for job in cancelled for index in range(3)]
    await stage.fleet.queues.publish(Queue.CHUNKS, *messages)
    await stage.fleet.queues.publish(Queue.TASKS, *(Message(task_id=job.task_id) for job in cancelled))
    await stage.until(lambda: _drained(stage), 20.0)
    stage.note(cancelled=len(cancelled))
    stage.expect(len(stage.calls()) == before, "a message for a cancelled chunk made the engine work")
    stage.expect(2 * len(cancelled) >= stage.size, f"only {len(cancelled)} tasks were cancelled before their end")


async def _cancel(stage: Stage, job: Job) -> None:
    await stage.moment(3.0)
    began = time.monotonic()
    answer = await stage.fleet.client.ask("POST", f"/api/v1/tasks/{job.task_id}/cancel")
    stage.outcome.faults += 1
    if answer is None or answer.status_code != 200:  # it had ended
        return
    gone = await stage.until(lambda: _gone(stage, job), FINAL_SECONDS)
    stage.recovered(time.monotonic() - began)
    stage.expect(gone is not None, f"something of task {job.task_id} was left {FINAL_SECONDS} s after its cancellation")
    await asyncio.sleep(max(0.0, began + MOST_SECONDS - time.monotonic()))
    calls = _calls(stage, job)
    await asyncio.sleep(1.0)
    stage.expect(_calls(stage, job) == calls, f"the engine went on with task {job.task_id}")


def _calls(stage: Stage, job: Job) -> int:
    return sum(call.window in job.recording.windows for call in stage.calls())


async def _gone(stage: Stage, job: Job) -> bool:
    """Its state is final, and neither upload nor audio lies in the store."""
    files = [stage.fleet.blobs / "uploads" / job.task_id, stage.fleet.blobs / "pcm" / job.task_id]
    there = await asyncio.to_thread(lambda: any(file.exists() for file in files))
    return not there and await _status(stage, job) == "cancelled"


async def _status(stage: Stage, job: Job) -> str | None:
    task = await stage.fleet.client.task(job.task_id)
    return task["status"] if task else None


async def _drained(stage: Stage) -> bool:
    return not await stage.fleet.queues.waiting()


SCENARIOS = [
    Scenario(name="cancel", play=cancel, full=200, quick=20, shape=Shape(settings=SHORT, engine={"speed": SPEED})),
]
