"""Errors to HTTP: the one place that knows status codes. Every answer is ``application/problem+json`` (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPMethod, HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount

from api.faults import (
    BrokenFormError,
    FieldFault,
    InvalidFieldsError,
    SlowUploadError,
    TaskFailedError,
)
from core.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ParascribeError,
    StorageFullError,
    StoreUnavailableError,
    TransientError,
    UnsupportedMediaError,
    UploadTooLargeError,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5  # the database is looked for again in less time than that
STORE_AWAY = "The database does not answer. What was accepted is safe; send this request again in a few seconds."
CLIENT_GONE = 499  # nobody reads it; for the log alone

STATUSES: Sequence[tuple[type[ParascribeError], int]] = (
    (BrokenFormError, 400),
    (NotFoundError, 404),
    (SlowUploadError, 408),
    (ConflictError, 409),
    (TaskFailedError, 409),
    (UploadTooLargeError, 413),
    (UnsupportedMediaError, 415),
    (InvalidRequestError, 422),
    (StorageFullError, 507),
    (TransientError, 503),
)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    faults: Sequence[FieldFault] = (),
    headers: dict[str, str] | None = None,
    reference: str | None = None,
) -> Response:
    """An error as clients get it."""
    body: dict[str, Any] = {
        "type": f"urn:parascribe:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if faults:
        body["errors"] = [{"field": fault.field, "message": fault.message} for fault in faults]
    if reference is not None:
        body["reference"] = reference
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def internal_error(reference: str) -> Response:
    """An error of ours: nothing of its cause leaves the server, the reference finds it in the log."""
    detail = f"Something went wrong here, not in your request. The server's log has the cause under {reference}."
    return problem(500, "internal_error", detail, reference=reference)


def status_of(error: ParascribeError) -> int:
    """The HTTP status of an error of this program; 500 where none fits."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Answer every error in this one form, the framework's own included."""
    app.add_exception_handler(ParascribeError, _on_own)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


async def _on_own(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ParascribeError)
    status = status_of(error)
    if status == 500:
        raise error  # an internal error after all; the outermost middleware logs and answers it
    faults = error.faults if isinstance(error, InvalidFieldsError) else ()
    if status >= 503:
        log.warning("request refused", code=error.code, reason=error.message)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
    # What the driver says of the database names machines that are no client's business.
    detail = STORE_AWAY if isinstance(error, StoreUnavailableError) else error.message
    return problem(status, error.code, detail, faults=faults, headers=headers)


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = InvalidFieldsError(field_faults(error.errors()))
    return problem(422, fault.code, fault.message, faults=fault.faults)


async def _on_http(request: Request, error: Exception) -> Response:
    """The router's own: an unknown path, a method that the path has not."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 404:
        detail = "There is nothing at this path. GET /openapi.json lists what there is; /docs shows it."
        return problem(404, "route_not_found", detail, headers=headers)
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        detail = f"This path does not take {request.method}; it takes {allowed}."
        return problem(405, "method_not_allowed", detail, headers={"Allow": allowed})
    return problem(error.status_code, "http_error", str(error.detail), headers=headers)


def _methods(request: Request) -> list[str]:
    """What the path takes. The router names the methods of the first route that fits, and a path has several."""
    path, routes = request.scope["path"], [route for route in request.app.routes if not isinstance(route, Mount)]
    taken = [str(method) for method in HTTPMethod if any(_takes(route, method, path) for route in routes)]
    return taken or ["GET", "HEAD"]  # of the files of /docs, which are mounted


def _takes(route: BaseRoute, method: str, path: str) -> bool:
    return route.matches({"type": "http", "method": method, "path": path})[0] is Match.FULL


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    log.info("client went away during its upload")
    return Response(status_code=CLIENT_GONE)


def field_faults(errors: Sequence[Any]) -> list[FieldFault]:
    """Pydantic's findings, one per field, without the input (which may be long, or private)."""
    return [FieldFault(field=_field(error["loc"]), message=_message(error)) for error in errors]


def _field(place: Sequence[Any]) -> str:
    names = [str(part) for part in place if part not in {"query", "path", "body"}]
    return ".".join(names)[:100] or "request"


def _message(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such field; check its spelling, or leave it out."
    message: str = error["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:].rstrip(".") + "."
