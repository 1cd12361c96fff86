"""Slow bodies and early answers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.bodies import BodyGuard, Patience
from api.faults import SlowUploadError

Message = dict[str, Any]
SCOPE = {"type": "http", "headers": [(b"transfer-encoding", b"chunked")]}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"answer", "more_body": False}


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def bytes_each(clock: Clock, seconds: float, size: int, count: int) -> Callable[[], Any]:
    """A client that sends ``size`` bytes every ``seconds``."""
    left = iter(range(count))

    async def receive() -> Message:
        clock.now += seconds
        return {"type": "http.request", "body": bytes(size), "more_body": next(left, None) is not None}

    return receive


async def nothing() -> Message:
    """A client that says nothing more."""
    await asyncio.Event().wait()
    raise AssertionError


async def read_all(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the whole body."""
    while (await receive())["more_body"]:
        pass
    await send(START)
    await send(END)


async def answer_at_once(scope: Any, receive: Any, send: Any) -> None:
    """An application that does not care about the body."""
    await send(START)
    await send(END)


class Sent(list[Message]):
    """What the server was given."""

    async def __call__(self, message: Message) -> None:
        self.append(message)


async def test_a_silent_client_is_not_waited_for() -> None:
    """No byte within the time: the upload is refused."""
    guard = BodyGuard(read_all, patience=Patience(seconds=0.01))
    with pytest.raises(SlowUploadError):
        await asyncio.wait_for(guard(SCOPE, nothing, Sent()), 5)


async def test_a_byte_now_and_then_does_not_hold_a_connection() -> None:
    """The waiting adds up until enough has come."""
    clock = Clock()
    guard = BodyGuard(read_all, patience=Patience(seconds=30, floor_bytes=100), clock=clock)
    with pytest.raises(SlowUploadError):
        await asyncio.wait_for(guard(SCOPE, paused_after(bytes_each(clock, 10, 1, 3)), Sent()), 5)


def paused_after(receive: Callable[[], Any]) -> Callable[[], Any]:
    """The same client, which stops for good once its bytes are sent."""

    async def wrapped() -> Message:
        message: Message = await receive()
        if not message["more_body"]:
            return await nothing()
        return message

    return wrapped


async def test_a_slow_but_steady_client_is_waited_for() -> None:
    """100 bytes every 10 s for an hour is above the floor."""
    clock, sent = Clock(), Sent()
    guard = BodyGuard(read_all, patience=Patience(seconds=30, floor_bytes=100), clock=clock)
    await guard(SCOPE, bytes_each(clock, 10, 100, 360), sent)
    assert sent == [START, END]


async def test_after_the_body_there_is_no_deadline() -> None:
    """Waiting for the client to go away, as every streamed answer does, may take hours."""
    left = iter([{"type": "http.request", "body": b"", "more_body": False}])
    gone = asyncio.Event()

    async def receive() -> Message:
        message = next(left, None)
        if message is None:
            await gone.wait()
            return {"type": "http.disconnect"}
        return message

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        _, pending = await asyncio.wait({waiting}, timeout=0.05)
        assert pending, "the deadline must not run any more"
        gone.set()
        assert (await waiting)["type"] == "http.disconnect"

    await BodyGuard(app, patience=Patience(seconds=0.01))(SCOPE, receive, Sent())


async def test_an_early_answer_goes_out_whole_before_the_connection_ends() -> None:
    """Told to close, all of the body sent, what still comes thrown away, and only then the end."""
    clock, sent = Clock(), Sent()
    taken = 0

    client = bytes_each(clock, 0, 10, 5)

    async def receive() -> Message:
        nonlocal taken
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        taken += 1
        message: Message = await client()
        return message

    await BodyGuard(answer_at_once, patience=Patience(linger_seconds=5))(SCOPE, receive, sent)
    assert (b"connection", b"close") in sent[0]["headers"]
    assert (sent[1]["body"], sent[1]["more_body"]) == (b"answer", True)
    assert (sent[2]["body"], sent[2]["more_body"]) == (b"", False)
    assert taken == 6


async def test_lingering_ends() -> None:
    """A client that neither sends nor closes is left after a moment."""
    sent = Sent()
    guard = BodyGuard(answer_at_once, patience=Patience(linger_seconds=0.01))
    await asyncio.wait_for(guard(SCOPE, nothing, sent), 5)
    assert sent[-1]["more_body"] is False


async def test_a_few_unread_bytes_do_not_cost_the_connection() -> None:
    """`POST …/cancel` with `{}` as its body is answered as any other request."""
    sent = Sent()
    scope = {"type": "http", "headers": [(b"content-length", b"2")]}
    await BodyGuard(answer_at_once)(scope, bytes_each(Clock(), 0, 2, 0), sent)
    assert sent == [START, END]


async def test_a_request_without_a_body_is_not_read() -> None:
    """Nothing is awaited from a client that has said everything."""
    sent = Sent()
    await asyncio.wait_for(BodyGuard(answer_at_once)({"type": "http", "headers": []}, nothing, sent), 5)
    assert sent == [START, END]
