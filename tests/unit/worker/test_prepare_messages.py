"""What becomes of the messages of a task that is being prepared."""

import asyncio
from types import SimpleNamespace

import pytest

from core.errors import PermanentError
from worker.prepare import Preparer


class Message:
    """A delivery that remembers how it was settled first."""

    def __init__(self) -> None:
        self.message = SimpleNamespace(task_id="t")
        self.settled = ""

    async def ack(self) -> None:
        self.settled = self.settled or "ack"

    async def requeue(self) -> None:
        self.settled = self.settled or "requeue"


def preparer(prepare) -> Preparer:
    """One whose attempts are these."""
    made = Preparer(SimpleNamespace(resources=SimpleNamespace(tasks=None)), None)
    made._prepare = prepare
    return made


async def test_a_message_is_held_for_one_attempt():
    """The next one's message takes its place: over an outage of half an hour the broker would close the channel."""
    begun = asyncio.Queue()

    async def prepare(task_id):
        made._woken.discard(task_id)
        begun.put_nowait(task_id)
        await asyncio.Event().wait()

    made = preparer(prepare)
    first, second = Message(), Message()
    working = asyncio.create_task(made.handle(first))
    await begun.get()
    await made.handle(second)
    assert (first.settled, second.settled, made.held) == ("ack", "", {"t"})
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (second.settled, made.held) == ("requeue", set())


@pytest.mark.parametrize("error", [ValueError("not foreseen"), PermanentError("nor this", code="x")])
async def test_no_error_keeps_a_place_at_the_broker(error):
    """Some such messages, and the worker would prepare nothing more."""

    async def prepare(_):
        raise error

    made, message = preparer(prepare), Message()
    with pytest.raises(type(error)):
        await made.handle(message)
    assert (message.settled, made.held) == ("ack", set())
