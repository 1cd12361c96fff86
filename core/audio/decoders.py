"""The decoder's child processes, each for one file: clones of a server that has loaded all that they need.

A clone is given its file, and a pipe for what it says, as open descriptors: it may open nothing itself.
"""

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.audio.children import PATIENCE_TICKS, Frames, Sibling
from core.audio.decode import DecodeLimits, Decoder
from core.audio.wire import READY, Request
from core.errors import AudioError, DecoderUnavailableError
from core.models import SAMPLE_RATE

STEP_SECONDS = 60.0  # for what takes a tenth of one
_ROOT = Path(__file__).resolve().parents[2]
# By a path of our own: -I drops the working directory, and a checkout that is run in place is not installed.
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from core.audio.fork_server import main; main()"


@dataclass(frozen=True, slots=True)
class _Server:
    """The process, and where it is asked for clones."""

    process: Process
    door: socket.socket

    async def ready(self) -> None:
        """Wait until it has loaded everything. Raises ``DecoderUnavailableError``."""
        loop = asyncio.get_running_loop()
        for _ in range(PATIENCE_TICKS):  # for the same reason as in `Frames`
            with suppress(TimeoutError):
                async with asyncio.timeout(STEP_SECONDS / PATIENCE_TICKS):
                    if await loop.sock_recv(self.door, len(READY)) == READY:
                        return
                    raise await self._lost()
        raise await self._lost()

    async def clone(self, file: int, stall_seconds: float, request: Request) -> Decoder:
        """For one file. Raises ``DecoderUnavailableError``; the server is no more then."""
        reading, writing = os.pipe()
        frames = await Frames.of(reading)
        try:
            self._ask(request, file, writing)
            _, body = await frames.next(STEP_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            frames.close()
            raise await self._lost() from error
        except BaseException:
            frames.close()
            raise
        pid = int(json.loads(body)["pid"])
        return Decoder(self.process if pid == self.process.pid else Sibling(pid), frames, stall_seconds)

    async def end(self) -> None:
        """Nobody needs it any more."""
        self.door.close()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    def _ask(self, request: Request, file: int, writing: int) -> None:
        try:
            socket.send_fds(self.door, [json.dumps(asdict(request)).encode()], [file, writing])
        finally:
            os.close(writing)

    async def _lost(self) -> DecoderUnavailableError:
        await self.end()
        return _unavailable(f"it ended with status {self.process.returncode}")


class Decoders:
    """Decoders for one event loop. Whoever has called :meth:`prepare` or :meth:`open` has to :meth:`close`."""

    def __init__(self) -> None:
        self._server: _Server | None = None
        self._asking = asyncio.Lock()

    async def prepare(self) -> None:
        """Have a server stand by, if there is none, and wait until it does.

        Raises ``OSError`` or ``DecoderUnavailableError`` where that cannot be.
        """
        async with self._asking:
            await self._prepared()

    @asynccontextmanager
    async def open(self, path: Path, limits: DecodeLimits, **for_tests: Any) -> AsyncIterator[Decoder]:
        """Start decoding ``path``; leaving the block ends the child at once.

        Raises ``AudioError`` or ``TransientError``: see :mod:`core.audio.decode`; ``OSError`` or
        ``DecoderUnavailableError`` where no child can be made ready, which says nothing about the file.
        """
        decoder = await self._opened(path, limits.stall_seconds, _request(limits, for_tests))
        try:
            await _shut_in(decoder)
            await decoder.start()
            yield decoder
        finally:
            await decoder.close()

    async def close(self) -> None:
        """End the server."""
        server, self._server = self._server, None
        if server is not None:
            await server.end()

    async def _opened(self, path: Path, stall_seconds: float, request: Request) -> Decoder:
        opening = asyncio.create_task(self._cloned(path, stall_seconds, request))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:  # the clone alone can tell which process is to be ended
            for opened in await asyncio.gather(opening, return_exceptions=True):
                if isinstance(opened, Decoder):
                    await opened.close()
            raise

    async def _cloned(self, path: Path, stall_seconds: float, request: Request) -> Decoder:
        """A server that stood by may have been killed meanwhile, for want of memory."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            async with self._asking:
                if self._server is not None:
                    with suppress(DecoderUnavailableError):
                        return await self._clone_of(self._server, file, stall_seconds, request)
                return await self._clone_of(await self._prepared(), file, stall_seconds, request)
        finally:
            os.close(file)

    async def _clone_of(self, server: _Server, file: int, stall_seconds: float, request: Request) -> Decoder:
        try:
            decoder = await server.clone(file, stall_seconds, request)
        except DecoderUnavailableError:
            self._server = None
            raise
        if decoder.pid == server.process.pid:  # no clone could be made
            self._server = None
            server.door.close()
        return decoder

    async def _prepared(self) -> _Server:
        if self._server is None or self._server.process.returncode is not None:
            await self.close()
            self._server = await _start()
        return self._server


@asynccontextmanager
async def open_decoder(path: Path, limits: DecodeLimits, **for_tests: Any) -> AsyncIterator[Decoder]:
    """As :meth:`Decoders.open`, for whoever has one file."""
    decoders = Decoders()
    try:
        async with decoders.open(path, limits, **for_tests) as decoder:
            yield decoder
    finally:
        await decoders.close()


async def _shut_in(decoder: Decoder) -> None:
    """Wait until it is. Raises ``DecoderUnavailableError``: it has read nothing of its file yet."""
    try:
        await decoder.shut_in(STEP_SECONDS)
    except (AudioError, DecoderUnavailableError) as error:
        raise _unavailable(str(error)) from error


def _unavailable(how: str) -> DecoderUnavailableError:
    message = f"No decoder could be made ready ({how}). Look at this machine's limits on processes and memory."
    return DecoderUnavailableError(message)


def _request(limits: DecodeLimits, for_tests: dict[str, Any]) -> Request:
    return Request(
        rate=SAMPLE_RATE,
        max_seconds=limits.max_seconds,
        max_amplification=limits.max_amplification,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=limits.memory_bytes,
        parent_pid=os.getpid(),
        **for_tests,
    )


async def _start() -> _Server:
    """One that stands by."""
    server = await _spawn()
    try:
        await server.ready()
    except BaseException:
        await server.end()
        raise
    return server


async def _spawn() -> _Server:
    door, inside = socket.socketpair()
    door.settimeout(0)
    command = [sys.executable, "-I", "-c", _BOOTSTRAP, str(_ROOT), str(SAMPLE_RATE)]
    try:
        with inside:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=inside.fileno(), stdout=DEVNULL, stderr=DEVNULL, env={}, cwd="/"
            )
    except BaseException:
        door.close()
        raise
    return _Server(process, door)
