"""Reading what there is: tasks through the API as a client would, what is left over in the stores themselves."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.chaos.invariants import Left, SeenChunk, SeenTask, check_left
from benchmarks.chaos.recordings import Recording
from benchmarks.private.client import Json
from benchmarks.private.fleet import Fleet

PARTS = ".parts"
POLL_SECONDS = 0.1


async def look(fleet: Fleet, task_id: str, recording: Recording) -> SeenTask:
    """One task with its chunks and its transcript."""
    task = await fleet.client.task(task_id)
    if task is None:
        return SeenTask(task_id=task_id, recording=recording, status=None)
    chunks = await fleet.client.chunks(task_id)
    transcript = await fleet.client.transcript(task_id)
    return SeenTask(
        task_id=task_id,
        recording=recording,
        status=task["status"],
        chunks_total=task["chunks_total"],
        duration=task["duration_seconds"] or 0.0,
        covered=sum(task["coverage"].values()),
        chunks=[_chunk(chunk) for chunk in chunks],
        segments=[(one["start"], one["end"], one["text"]) for one in transcript["segments"]],
    )


async def left_over(fleet: Fleet, seconds: float) -> Left:
    """What is still there when the sweepers have had their time; nothing, it is to be hoped.

    Messages in the hands of workers count. They are asked for last, since that takes a program of the broker's.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = await _left_now(fleet)
        if not check_left(left):
            left = replace(left, messages=await asyncio.to_thread(_in_hand, fleet))
        if not check_left(left) or time.monotonic() > deadline:
            return left
        await asyncio.sleep(POLL_SECONDS)


def _in_hand(fleet: Fleet) -> list[str]:
    """A line for each queue of the fleet's that has messages which were delivered and not acknowledged."""
    said = fleet.ground.rabbit.ctl("list_queues", "--no-table-headers", "name", "messages_unacknowledged")
    held = dict(line.split("\t") for line in said.splitlines() if "\t" in line)
    return [f"{name}: {held[name]} in hand" for name in fleet.queues.names if held.get(name, "0") != "0"]


async def _left_now(fleet: Fleet) -> Left:
    files = await asyncio.to_thread(lambda: list(_files(fleet.blobs)))
    scratch = await asyncio.to_thread(lambda: [name for child in fleet.workers for name in _scratch(fleet, child.name)])
    return Left(
        blobs=[name for name in files if not name.startswith(PARTS)],
        parts=[name for name in files if name.startswith(PARTS)],
        scratch=scratch,
        claims=await _claims(fleet),
        open_tasks=[one["_id"] async for one in fleet.store["tasks"].find({"open": True}, {"_id": 1})],
        messages=await fleet.queues.waiting(),
    )


async def _claims(fleet: Fleet) -> list[str]:
    """Tasks that somebody prepares, chunks that somebody has."""
    tasks: list[Any] = await fleet.store["tasks"].find({"owner": {"$ne": None}}).to_list()
    unended = {"$or": [{"owner": {"$ne": None}}, {"state": {"$in": ["pending", "queued", "running"]}}]}
    chunks: list[Any] = await fleet.store["chunks"].find(unended, {"_id": 1}).to_list()
    return [str(one["_id"]) for one in (*tasks, *chunks)]


def _files(root: Path) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def _scratch(fleet: Fleet, name: str) -> Iterator[str]:
    """Whatever a worker put into its scratch space, but for its run file, which lives as long as it does."""
    folder = fleet.folder / name
    return (f"{name}/{file}" for file in _files(folder) if not file.startswith("workers/"))


def _chunk(chunk: Json) -> SeenChunk:
    return SeenChunk(
        index=chunk["index"], state=chunk["state"], attempts=chunk["attempts"], start=chunk["start"], end=chunk["end"]
    )
