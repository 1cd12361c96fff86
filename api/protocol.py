"""HTTP/1.1 connections that must say what they want in time, and so that it can be understood."""

import asyncio
from uuid import uuid4

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.errors import problem
from api.request_log import HEADERS

log = structlog.get_logger()

HEADER_SECONDS = 30.0
FIRST_WORDS_SECONDS = 1.0  # for a connection of a server that leaves: far more than a request takes to arrive
MALFORMED = (
    "This is no HTTP/1.1 request, its headers contradict each other, or they are too long. "
    "Send it as an HTTP client does, curl for example, with no more than 64 KiB before the body."
)


class PromptProtocol(H11Protocol):
    """uvicorn's own protocol with a deadline on the head of each request: it has none, so idle sockets pile up.

    The keep-alive timer does not help: it starts only after a first answer, and any byte stops it.

    A server that leaves closes idle connections. One that has only just been made is not idle: its request is on its
    way, and closing would reset it. It is heard first, as is one that has sent a part of a head.
    """

    header_seconds = HEADER_SECONDS
    first_words_seconds = FIRST_WORDS_SECONDS
    _deadline: asyncio.TimerHandle | None = None
    _leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A connection, and nothing said yet."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Over."""
        self._unwatch()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Bytes have come; the clock runs from the first byte of a head to its last."""
        super().handle_events()
        if self._leaving and self.cycle is not None:
            super().shutdown()  # asked at last: this is answered, and nothing after it
        if self.conn.their_state is not h11.IDLE:
            self._unwatch()
        elif self.conn.trailing_data[0] and self._deadline is None:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        """An error like every other, although what came never was a request and the application knows nothing of it."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()  # an answer to the same request has begun, and it has no second one
            return
        answer, request_id = problem(400, "malformed_request", MALFORMED), uuid4().hex
        headers = [*self.server_state.default_headers, *answer.raw_headers, *HEADERS]
        headers += [(b"x-request-id", request_id.encode()), (b"connection", b"close")]
        response = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (response, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()
        client = self.client[0] if self.client else None
        log.info("request refused", code="malformed_request", reason=msg, client=client, request_id=request_id)

    def shutdown(self) -> None:
        """The server leaves: what has begun, or is about to, is answered; then the connection ends."""
        if not self._unheard():
            super().shutdown()
        elif not self._leaving:
            self._leaving = True
            self.loop.call_later(self.first_words_seconds, self._enough)

    def _unheard(self) -> bool:
        return self.cycle is None or (self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _enough(self) -> None:
        if self._unheard():
            self.transport.close()

    def _watch(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self._too_late)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self.transport.close()
