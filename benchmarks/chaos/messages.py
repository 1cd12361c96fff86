"""Messages: doubled and shuffled, published into the void."""

import asyncio
import json

from benchmarks.chaos.scenario import SHORT, Scenario
from benchmarks.chaos.stage import Stage, windows_of
from benchmarks.private.fleet import Shape
from core.adapters.rabbitmq import RabbitBroker
from core.adapters.rabbitmq.topology import Topology
from core.errors import BrokerUnavailableError
from core.ports import Message, Queue

COPIES = 2  # beside the message itself
ONCE_SHARE = 0.99
HELD = 12  # copies that are kept back and sent in another order
PUBLISHERS = 4
SWALLOW_SECONDS = 0.3


async def doubled(stage: Stage) -> None:
    """Every message comes three times, in any order."""
    copying = asyncio.create_task(_copy(stage))
    try:
        await stage.submit(stage.size)
        await stage.ended()
    finally:
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)
    windows = windows_of(stage.jobs)
    once = 1 - stage.retranscribed() / windows
    stage.note(share_once=round(once, 4))
    stage.expect(once >= ONCE_SHARE, f"only {once:.1%} of the chunks were transcribed once")


async def _copy(stage: Stage) -> None:
    """Two copies of every chunk's and every task's message, mixed up among those of others."""
    seen: set[Message] = set()
    held: list[Message] = []
    while True:
        for message in await _announced(stage):
            if message not in seen:
                seen.add(message)
                held += [message] * COPIES
        stage.random.shuffle(held)
        batch, held = held[:HELD], held[HELD:]
        for message in batch:
            await stage.fleet.queues.publish(Queue.TASKS if message.chunk is None else Queue.CHUNKS, message)
            stage.outcome.faults += 1
        await asyncio.sleep(0.05)


async def _announced(stage: Stage) -> list[Message]:
    chunks = stage.fleet.store["chunks"].find({"state": {"$ne": "pending"}}, {"task": 1, "index": 1})
    tasks = stage.fleet.store["tasks"].find({}, {"_id": 1})
    return [
        *[Message(task_id=one["task"], chunk=one["index"]) async for one in chunks],
        *[Message(task_id=one["_id"]) async for one in tasks],
    ]


async def publishing(stage: Stage) -> None:
    """What ``publish`` has returned for is in the broker, whatever happened to the connection meanwhile."""
    settings = stage.fleet.settings()
    without = json.loads(str(settings.get("test_without", "[]")))
    prefix = f"{stage.fleet.name}.probe"
    broker = RabbitBroker(str(settings["rabbitmq_url"]), prefix=prefix, without=without)
    await broker.start()
    kept: set[str] = set()
    publishers = [asyncio.create_task(_publish(broker, kept, str(number))) for number in range(PUBLISHERS)]
    try:
        await _break(stage)
    finally:
        for publisher in publishers:
            publisher.cancel()
        await asyncio.gather(*publishers, return_exceptions=True)
        await broker.close()
    await _compare(stage, prefix, kept)


async def _publish(broker: RabbitBroker, kept: set[str], line: str) -> None:
    number = 0
    while True:
        name, number = f"{line}-{number}", number + 1
        try:
            await broker.publish(Queue.TASKS, Message(task_id=name))
        except BrokerUnavailableError:
            await asyncio.sleep(0.05)
        else:
            kept.add(name)
            await asyncio.sleep(0.005)


async def _break(stage: Stage) -> None:
    """What is sent disappears for a moment, then the connections are reset; now and then the node is killed."""
    relay = stage.fleet.ground.broker_relay
    for number in range(stage.size):
        await stage.moment(1.0)
        with relay.swallowing():
            await asyncio.sleep(SWALLOW_SECONDS)
        stage.outcome.faults += 1
        if number % 20 == 19:
            await stage.fleet.ground.broker_back()
            stage.outcome.faults += 1
    await asyncio.sleep(1.0)


async def _compare(stage: Stage, prefix: str, kept: set[str]) -> None:
    queues = stage.fleet.queues
    probe = type(queues)(url=queues.url, topology=Topology(prefix=prefix))
    found = {json.loads(message.body)["task_id"] for message in await probe.take_all(Queue.TASKS)}
    missing = kept - found
    stage.outcome.lost += len(missing)
    stage.note(published=len(kept), missing=len(missing))
    stage.expect(bool(kept), "nothing was published")
    stage.expect(not missing, f"{len(missing)} messages were published and are not there")


SCENARIOS = [
    Scenario(name="doubled", play=doubled, full=40, quick=6, shape=Shape(settings=SHORT, engine={"speed": 15})),
    Scenario(
        name="publishing",
        play=publishing,
        full=100,
        quick=5,
        shape=Shape(workers=0, apis=0, settings=SHORT),
        guards="confirms",
    ),
]
