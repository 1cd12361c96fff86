"""Request bodies that come too slowly, and answers that are given before the body has come.

Nothing below the application bounds how long a body may take: uvicorn's keep-alive timer starts anew with every byte.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.faults import SlowUploadError

SMALL_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a client is waited for. Only the waiting counts: what the server takes to store is not the client's."""

    seconds: float = 30.0  # of waiting in which ``floor_bytes`` must come
    floor_bytes: int = 4_096
    linger_seconds: float = 2.0  # for what is still on its way when the answer is given


class BodyGuard:
    """ASGI middleware: a deadline on the body, and a close that lets the client read an early answer."""

    def __init__(
        self, app: ASGIApp, *, patience: Patience | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._patience = patience or Patience()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._patience, self._clock)
        await self._app(scope, body.receive, _Answer(scope, body, send).send)


class _Body:
    """Hands the body on, and knows whether all of it has come."""

    def __init__(self, receive: Receive, patience: Patience, clock: Callable[[], float]) -> None:
        self.finished = False
        self._receive = receive
        self._patience = patience
        self._clock = clock
        self._left = patience.seconds
        self._recent = 0

    async def receive(self) -> Message:
        """The next part. Raises ``SlowUploadError``. After the last one there is no deadline: only the end is left."""
        if self.finished:
            return await self._receive()
        began = self._clock()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError as error:
            raise SlowUploadError(
                f"Fewer than {self._patience.floor_bytes} bytes of the body came in {self._patience.seconds:g} s of "
                "waiting. Send the file again over a better connection."
            ) from error
        self._note(message, self._clock() - began)
        return message

    async def drain(self) -> None:
        """Throw away what still comes, for a moment."""
        try:
            async with asyncio.timeout(self._patience.linger_seconds):
                while not self.finished:
                    self._note(await self._receive(), 0.0)
        except TimeoutError:
            pass

    def _note(self, message: Message, waited: float) -> None:
        self.finished = message["type"] != "http.request" or not message.get("more_body", False)
        self._left -= waited
        self._recent += len(message.get("body", b""))
        if self._recent >= self._patience.floor_bytes:
            self._left, self._recent = self._patience.seconds, 0


class _Answer:
    """Closes the connection after an answer that came before the end of the body, but not at once.

    To close with bytes unread resets the connection, and the client may then never see why it was refused. So the
    answer goes out whole, what still comes is thrown away for a moment, and then the connection ends (RFC 9112, 9.6).
    """

    def __init__(self, scope: Scope, body: _Body, send: Send) -> None:
        self._headers = dict(scope["headers"])
        self._body = body
        self._send = send
        self._closes = False

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            await self._send(await self._start(message))
        elif self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._body.drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._send(message)

    async def _start(self, message: Message) -> Message:
        length = self._declared()
        if length == 0:
            return message
        if length is not None and length <= SMALL_BODY_BYTES and not self._body.finished:
            await self._body.drain()  # a few bytes that nobody asked for are no reason to lose the connection
        self._closes = not self._body.finished
        if not self._closes:
            return message
        return {**message, "headers": [*message["headers"], (b"connection", b"close")]}

    def _declared(self) -> int | None:
        """Bytes of the body by its headers; 0 where there is none, None where they do not tell."""
        if b"transfer-encoding" in self._headers:
            return None
        length = self._headers.get(b"content-length", b"0")
        return int(length) if length.isdigit() else None
