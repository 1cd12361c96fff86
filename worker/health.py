"""The health port of a worker that runs on its own: ``/livez`` and ``/readyz``, and nothing else."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.config import Settings
from core.errors import InvalidRequestError

log = structlog.get_logger()

OK = "ok"
CLOSING_SECONDS = 1.0

Checks = Callable[[], Awaitable[Mapping[str, str]]]


@contextlib.asynccontextmanager
async def health_port(settings: Settings, checks: Checks) -> AsyncIterator[int | None]:
    """Answer for the length of the block; the port, or None where none is set.

    ``checks``: names to ``ok`` or a sentence. Raises ``InvalidRequestError`` where the address cannot be had.
    """
    if settings.worker_health_port is None:
        yield None
        return
    listener = _bind(settings.worker_health_host, settings.worker_health_port)
    server = _Server(
        uvicorn.Config(
            health_app(checks), lifespan="off", ws="none", log_config=None, log_level="warning", access_log=False
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        port: int = listener.getsockname()[1]
        log.info("health port", host=settings.worker_health_host, port=port)
        yield port
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait({serving}, timeout=CLOSING_SECONDS)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()


def health_app(checks: Checks) -> Starlette:
    """``/livez`` depends on nothing but the loop; ``/readyz`` on every check."""

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": OK})

    async def readyz(_: Request) -> JSONResponse:
        found = dict(await checks())
        fine = all(result == OK for result in found.values())
        return JSONResponse({"status": OK if fine else "unavailable", "checks": found}, 200 if fine else 503)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz)])


class _Server(uvicorn.Server):
    """Leaves the signals to the process's owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"The health port {port} of {host!r} cannot be listened on: {error.strerror or error}."
        hint = "Set WORKER_HEALTH_PORT or WORKER_HEALTH_HOST to another, or leave the port empty for none."
        raise InvalidRequestError(f"{message} {hint}", code="invalid_settings") from error
