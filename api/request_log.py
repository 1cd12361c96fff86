"""One log line per request, an id that finds it, headers that every answer has, and the last net for errors."""

import time
from typing import Any
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import internal_error
from core.errors import ParascribeError

log = structlog.get_logger()

QUIET = {"/livez", "/readyz"}  # asked every few seconds by whatever watches the process
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class RequestLog:
    """ASGI middleware, the outermost. The log names the route and the task, never a file's name or a query."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, uuid4().hex)
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=answer.request_id):
            try:
                await self._app(scope, receive, answer.send)
            except Exception as error:  # noqa: BLE001  the last net: clients get an answer without its cause
                await self._failed(scope, receive, answer, error)
            finally:
                _write(scope, answer, time.perf_counter() - began)

    async def _failed(self, scope: Scope, receive: Receive, answer: "_Answer", error: Exception) -> None:
        """Once an answer has begun it can only be cut short: the connection ends without the last chunk."""
        if answer.status is not None:
            known = error if isinstance(error, ParascribeError) else error.__cause__  # the framework wraps ours
            if isinstance(known, ParascribeError):
                log.warning("answer cut short", code=known.code, reason=known.message)
            else:
                log.error("answer cut short", reference=answer.request_id, exc_info=error)
            return
        log.error("request failed", reference=answer.request_id, exc_info=error)
        await internal_error(answer.request_id)(scope, receive, answer.send)


class _Answer:
    """Notes the status on its way out and adds the headers."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.status: int | None = None
        self.request_id = request_id
        self._send = send
        self._headers = [*HEADERS, (b"x-request-id", request_id.encode())]

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self._headers]}
        await self._send(message)


def _write(scope: Scope, answer: _Answer, seconds: float) -> None:
    request = Request(scope)
    fields: dict[str, Any] = {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", None),
        "status": answer.status,
        "ms": round(seconds * 1000, 1),
        "client": request.client.host if request.client else None,
    }
    if "task_id" in request.path_params:
        fields["task_id"] = request.path_params["task_id"]
    write = log.debug if scope["path"] in QUIET else log.info
    write("request", **fields)
