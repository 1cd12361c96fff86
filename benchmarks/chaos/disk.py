"""A full disk: uploads are refused with 507 and leave nothing, workers wait and count no attempt."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from benchmarks.chaos.recordings import Recording, recordings
from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Stage
from benchmarks.private import small_disk
from benchmarks.private.fleet import Shape
from benchmarks.private.small_disk import SmallDisk

# What the API calls ready needs 64 MB free. The disk is filled up for the play.
MEGABYTES = 100
LEFT_BYTES = 1_000_000  # less than one of the uploads has
BLOCK = 65_536
REFUSED = 507
LOOKS, LOOK_SECONDS = 20, 0.1


async def disk_full(stage: Stage) -> None:
    """The blobs' disk runs full while tasks are cut; later there is room again."""
    disk = stage.fleet.disk
    assert disk is not None
    for _ in range(stage.size):
        await stage.submit(3)
        await stage.until(lambda: _cutting(stage), 20.0)
        await asyncio.to_thread(disk.fill, LEFT_BYTES // 10)
        stage.outcome.faults += 1
        await _refused(stage, disk)
        await asyncio.sleep(3.0 if stage.quick else 20.0)
        disk.free()
        began = time.monotonic()
        await stage.ended()
        stage.recovered(time.monotonic() - began)
    await _attempts(stage)


async def _refused(stage: Stage, disk: SmallDisk) -> None:
    """With and without a length that tells beforehand."""
    (one,) = await recordings([100])
    before = await asyncio.to_thread(_uploads, disk)
    path = "/api/v1/tasks?filename=too-large.wav"
    for body in (one.data, _streamed(one)):
        answer = await stage.fleet.client.ask("POST", path, content=body)
        status = answer.status_code if answer is not None else 0
        stage.expect(status == REFUSED, f"an upload to a full disk was answered with {status}")
    left = await asyncio.to_thread(_uploads, disk) - before
    for _ in range(LOOKS):  # workers store windows on the same disk, and end each within moments; what was left stays
        if left:
            await asyncio.sleep(LOOK_SECONDS)
            left &= await asyncio.to_thread(_uploads, disk)
    stage.expect(not left, f"refused uploads left {left}")


async def _streamed(one: Recording) -> AsyncIterator[bytes]:
    for start in range(0, len(one.data), BLOCK):
        yield one.data[start : start + BLOCK]


def _uploads(disk: SmallDisk) -> set[str]:
    """Finished and unfinished ones."""
    return set(_names(disk, "uploads")) | set(_names(disk, ".parts"))


def _names(disk: SmallDisk, folder: str) -> Iterator[str]:
    place = disk.folder / folder
    return (path.name for path in place.iterdir()) if place.is_dir() else iter(())


async def _cutting(stage: Stage) -> bool:
    return bool(await stage.fleet.store["chunks"].count_documents({}))


async def _attempts(stage: Stage) -> None:
    """A full disk is nobody's fault."""
    tasks = {one["attempts"] async for one in stage.fleet.store["tasks"].find({}, {"attempts": 1})}
    chunks = {chunk.attempts for task in stage.seen for chunk in task.chunks}
    stage.note(task_attempts=sorted(tasks), chunk_attempts=sorted(chunks))
    stage.expect(tasks <= {1} and chunks <= {1}, f"attempts were counted: tasks {tasks}, chunks {chunks}")


SCENARIOS = [
    Scenario(
        name="disk-full",
        play=disk_full,
        full=3,
        quick=1,
        shape=Shape(settings=SHORT, engine={"speed": 10}, disk_megabytes=MEGABYTES),
        needs=small_disk.missing,
    )
]
