"""What follows a batch, when the worker leaves meanwhile."""

import asyncio
from types import SimpleNamespace

import pytest

from core.models import SAMPLE_RATE, Chunk, Cut, Options
from core.states import ChunkState
from worker.intake import Arrival
from worker.jobs import Jobs
from worker.settling import Settler

SECOND = Cut(index=0, start=0, end=SAMPLE_RATE, core_start=0, core_end=SAMPLE_RATE)


class Message:
    """A delivery that remembers whether it was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged = False

    async def ack(self) -> None:
        self.acknowledged = True


async def _nothing(*_: object) -> None:
    pass


async def _for_ever(*_: object) -> None:
    await asyncio.Event().wait()


async def _stored(pairs):
    return {(chunk.task_id, chunk.cut.index) for chunk, _ in pairs}


@pytest.mark.parametrize(("remove", "go_on"), [(_for_ever, _nothing), (_nothing, _for_ever)])
async def test_what_is_stored_is_acknowledged_even_when_the_rest_is_cut_off(remove, go_on):
    """The end of a worker waits for neither blobs nor credits; the messages must not come again for that."""
    resources = SimpleNamespace(chunks=SimpleNamespace(complete=_stored), blobs=SimpleNamespace(delete=remove))
    context = SimpleNamespace(resources=resources, credit=SimpleNamespace(go_on=go_on))
    jobs, message = Jobs(), Message()
    settler = Settler(context, SimpleNamespace(note=lambda *_, **__: None), jobs, jobs)
    arrival = Arrival(task_id="t", index=0, options=Options(model="base", language=None), delivery=message)
    settler.keep([arrival], [Chunk(task_id="t", cut=SECOND, state=ChunkState.RUNNING)], [None])
    await jobs.finish(0.05)
    assert message.acknowledged
    assert not settler.unsettled


async def test_an_error_that_nobody_foresaw_costs_no_place_at_the_broker():
    """The sweeper frees the chunk; its message would hold a place until the broker takes it back."""

    async def broken(*_):
        raise RuntimeError("not foreseen")

    context = SimpleNamespace(resources=SimpleNamespace(chunks=SimpleNamespace(complete=broken)), credit=None)
    jobs, message = Jobs(), Message()
    settler = Settler(context, None, jobs, jobs)
    arrival = Arrival(task_id="t", index=0, options=Options(model="base", language=None), delivery=message)
    settler.keep([arrival], [Chunk(task_id="t", cut=SECOND, state=ChunkState.RUNNING)], [None])
    await jobs.finish(1.0)
    assert message.acknowledged
    assert not settler.unsettled
