"""When faults stop: everything ends, as it should, and nothing is left over."""

from collections import Counter

from core.flow.finish import PREPARE_AGAIN
from core.ports import Queue
from tests.support.machine_ledger import Document, Ledger
from tests.support.machine_loop import advance, quiet
from tests.support.machine_sound import plan_of, recording
from tests.support.machine_world import World
from worker.growing import LOOK_SECONDS

ROUNDS = 60
ROUND_SECONDS = 6.0
ENDED = {"completed", "partial", "failed", "cancelled"}


async def calm(world: World) -> None:
    """No more faults; whoever was paused goes on; there is at least one worker."""
    world.away.database = world.away.broker = False
    world.away.decoding.set()
    for process in [*world.workers.values(), world.api]:
        process.wire.orders.clear()
    await _resume(world)
    await world.bury()
    if not any(not process.stopping for process in world.workers.values()):
        await world.start()
    world.send("silence", "en", 1)  # blobs beside an empty database are left alone: it may be the wrong one
    await quiet()


async def _resume(world: World) -> None:
    """An operation that was ordered to pause after it, and is under way, stops its process again: once each."""
    await quiet()
    while paused := [process for process in [*world.workers.values(), world.api] if process.wire.paused]:
        for process in paused:
            process.wire.open.set()
        await quiet()


async def drain(world: World) -> None:
    """Let the product work until nothing is left to do; what stands still then stands still for ever."""
    for _ in range(ROUNDS):
        await work_off(world)
        if not await left_over(world):
            return
        await advance(ROUND_SECONDS)
        await world.bury()
        world.ledger.look(processes(world))
    raise AssertionError(f"after {ROUNDS * ROUND_SECONDS:.0f} s without a fault: {await left_over(world)}")


async def work_off(world: World) -> None:
    """Deliver all that waits, and let every engine answer, until there is nothing more of either."""
    for _ in range(200):
        before = Counter(len(line) for line in world.post.waiting.values()), len(world.loop.waiting)
        for queue in Queue:
            for _ in range(len(world.post.waiting[queue])):
                world.post.deliver(queue, 0, 0)
        await quiet()
        while world.loop.waiting and any(not world.workers[call.owner].wire.paused for call in world.loop.waiting):
            calls = len(world.loop.waiting)
            world.finish(0, fails=False)
            await quiet()
            if len(world.loop.waiting) >= calls:  # an engine that waits for its next window, until somebody has looked
                await advance(LOOK_SECONDS)
        after = Counter(len(line) for line in world.post.waiting.values()), len(world.loop.waiting)
        if before == after:
            return


async def left_over(world: World) -> list[str]:
    """What is not as it should be at the end, yet."""
    database = world.ledger.database
    tasks = {task["_id"]: task for task in database["tasks"].find()}
    chunks = list(database["chunks"].find({}, {"task": 1, "state": 1}))
    faults = [f"{name} is {task['status']}" for name, task in tasks.items() if task["open"]]
    faults += [f"a message waits: {message}" for line in world.post.waiting.values() for message in line]
    faults += [f"{ear.wire.name} holds {each.message}" for ear in world.post.consumers for each in ear.unsettled]
    faults += [f"the blob {key}" for key in sorted(set(world.blobs) - _kept(tasks, chunks))]
    faults += [f"{each['_id']} is listed" for each in database["workers"].find() if each["_id"] not in world.workers]
    faults += [f"{chunk['_id']} of no task" for chunk in chunks if chunk["task"] not in tasks]
    return faults


def _kept(tasks: dict[str, Document], chunks: list[Document]) -> set[str]:
    """What a retry may still need."""
    uploads = {
        task["upload"]["key"]
        for task in tasks.values()
        if task["status"] == "failed" and (task.get("error") or {}).get("code") in PREPARE_AGAIN
    }
    failed = [chunk["_id"].split(":") for chunk in chunks if chunk["state"] == "failed"]
    return uploads | {f"pcm/{task}/{index}" for task, index in failed}


def judge(ledger: Ledger) -> None:
    """Every task that was accepted has ended, as what happened to it says."""
    for name in sorted(ledger.accepted - ledger.deleting):
        task = ledger.tasks[name]
        chunks = {chunk["index"]: chunk for chunk in ledger.chunks.values() if chunk["task"] == name}
        assert task["status"] in ENDED, f"{name} is {task['status']}"
        unprepared = task["status"] == "failed" and task["error"]["code"] in PREPARE_AGAIN
        if task["status"] != "cancelled" and not unprepared:
            _whole(ledger, task, chunks)


def _whole(ledger: Ledger, task: Document, chunks: dict[int, Document]) -> None:
    """Each chunk of the plan once, done or blamed often enough; all of the audio accounted for."""
    name, plan = task["_id"], plan_of(ledger.recordings[task["_id"]])
    told = f"{name} has the chunks {sorted(chunks)}, not {sorted(plan)}: {task.get('error')}"
    assert chunks.keys() == plan.keys(), told
    for index, chunk in chunks.items():
        cut = plan[index]
        assert chunk["cut"] == [cut.start, cut.end, cut.core_start, cut.core_end], f"{chunk['_id']} was cut elsewhere"
        failed = chunk["state"] == "failed" and ledger.blames[chunk["_id"]] >= chunk["attempts"] >= 3
        assert chunk["state"] == "done" or failed, f"{chunk['_id']} of {name} is {chunk['state']}"
    failures = sum(chunk["state"] == "failed" for chunk in chunks.values())
    expected = "completed" if not failures else "partial" if failures < len(chunks) else "failed"
    assert task["status"] == expected, f"{name} is {task['status']}, not {expected}"
    samples = sum(task["coverage"].values())
    assert samples == len(recording(ledger.recordings[name])), f"{name} accounts for {samples} samples"


async def leave(world: World) -> None:
    """Every worker ends in order and leaves nothing owned."""
    for process in world.workers.values():
        process.stopping = True
        process.worker.stop()
    await advance(20.0)
    await world.bury()
    assert not world.workers, f"still there after SIGTERM: {list(world.workers)}"
    listed = [worker["_id"] for worker in world.ledger.database["workers"].find()]
    assert not listed, f"still on the list: {listed}"


def processes(world: World) -> int:
    """How many may hand on credits at the same moment."""
    return len(world.workers) + 1
