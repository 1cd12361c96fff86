"""uvicorn in a loop that somebody else owns, signals included."""

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import Callable, Iterator

import structlog
import uvicorn
from fastapi import FastAPI

from api.context import context_of
from api.protocol import PromptProtocol
from core.config import Settings
from core.errors import InvalidRequestError

log = structlog.get_logger()

HEAD_BYTES = 64 * 1024  # a prompt of 4,000 characters in the query, each up to 12 bytes once encoded
TICK_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15
BACKLOG = 1_024
TURNS_TO_CONNECT = 4  # of the event loop, from accepting a connection to the protocol that is told of it


class ApiServer:
    """Serves one application on the address of the settings, bound from the start.

    Raises ``InvalidRequestError`` (``invalid_settings``) where that address cannot be had. ``listening`` is set when
    requests are answered; ``port`` is the real one, also where ``API_PORT`` is 0.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self.listening = asyncio.Event()
        self._socket = bind(settings.api_host, settings.api_port)
        self._host = settings.api_host
        self._availability = context_of(app).availability
        self._server = _Server(_config(app, settings), self._announce)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self._host, self._host)  # noqa: S104  compared
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def run(self) -> None:
        """Serve until :meth:`stop`; then no new requests, and those under way may finish within the grace time.

        All the while it looks whether the database is there.
        """
        try:
            async with self._availability.watching():
                await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self, *, at_once: bool = False) -> None:
        """Ask it to end; ``at_once`` leaves what is under way unfinished."""
        self._server.leave(at_once=at_once)

    def _announce(self) -> None:
        self.listening.set()
        log.info("listening", url=self.url, port=self.port)


class _Server(uvicorn.Server):
    """Leaves the signals alone, and tells when it has started."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = announce
        self._leaving = asyncio.Event()

    def leave(self, *, at_once: bool) -> None:
        """End it, now rather than at the next tick."""
        self.should_exit = True
        self.force_exit = self.force_exit or at_once
        self._leaving.set()

    async def main_loop(self) -> None:
        """A tick renews the date of answers. uvicorn's own loop wakes up ten times a second, to see whether to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._leaving.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process's owner has them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more. Whoever has connected by then is heard: closing a listener resets those that wait on it."""
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            loop.remove_reader(listener)
            await _turns(TURNS_TO_CONNECT)  # asyncio drops what it has accepted but not yet connected
            waiting = [*_waiting(listener)]
            for server in self.servers:
                server.close()
            for each in waiting:
                await loop.connect_accepted_socket(self._protocol, each)
        await super().shutdown(sockets)

    def _protocol(self) -> PromptProtocol:
        return PromptProtocol(self.config, self.server_state, self.lifespan.state)


def _waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that nobody has accepted yet."""
    with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
        while True:
            accepted, _ = listener.accept()
            accepted.settimeout(0)
            yield accepted


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``InvalidRequestError`` with a sentence that names the setting to change."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidRequestError(_refusal(host, port, error), code="invalid_settings") from error
    # asyncio sets this only on sockets that name their protocol, which those that this one accepts do not. Without it
    # an answer on a kept connection waits until the client has acknowledged its head, which it delays.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _refusal(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"API_HOST {host!r} is no address of this machine. Use 127.0.0.1, or 0.0.0.0 for all of its addresses."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program. Set API_PORT to a free one, or to 0 for any."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this process has. Set API_PORT to one above 1023."
    return f"Port {port} of {host!r} cannot be listened on: {error.strerror}. Set API_PORT or API_HOST."


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PromptProtocol,
        ws="none",
        lifespan="off",  # what the application works on is opened and closed around it
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody in front is trusted unasked
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_seconds),
    )
