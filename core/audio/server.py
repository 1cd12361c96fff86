"""The server that decoders are clones of, as its parent has it."""

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from core.audio.children import PATIENCE_TICKS, Frames, Sibling, dying
from core.audio.decode import Decoder
from core.audio.wire import NUMBER, READY, Request
from core.errors import DecoderUnavailableError
from core.models import SAMPLE_RATE

STEP_SECONDS = 60.0  # for what takes a tenth of one
_ROOT = Path(__file__).resolve().parents[2]
# By a path of our own: -I drops the working directory, and a checkout that is run in place is not installed.
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from core.audio.fork_server import main; main()"


@dataclass(frozen=True, slots=True)
class Server:
    """The process, and where it is asked for clones, one after the other."""

    process: Process
    door: socket.socket

    async def ready(self) -> None:
        """Wait until it has loaded everything. Raises ``DecoderUnavailableError``."""
        await self._told(len(READY))

    async def clone(self, file: int, stall_seconds: float, request: Request) -> Decoder:
        """For one file, whose descriptor is closed. Raises ``DecoderUnavailableError``; the server is no more then."""
        reading, writing = os.pipe()
        try:
            frames = await Frames.of(reading)
            try:
                pid = await self._asked(request, file, writing)
            except BaseException:
                frames.close()
                raise
        finally:
            os.close(writing)
            os.close(file)
        return Decoder(self.process if pid == self.process.pid else Sibling(pid), frames, stall_seconds)

    async def end(self) -> None:
        """Nobody needs it any more. The door goes last: whoever is waiting there hears of the end."""
        if self.process.returncode is None:
            self.process.kill()
        await dying(self.process)
        self.door.close()

    async def _asked(self, request: Request, file: int, writing: int) -> int:
        try:
            socket.send_fds(self.door, [json.dumps(asdict(request)).encode()], [file, writing])
        except OSError as error:
            raise await self._lost() from error
        (pid,) = NUMBER.unpack(await self._told(NUMBER.size))
        return int(pid)

    async def _told(self, count: int) -> bytes:
        """So many bytes that it says. Several short waits, for the same reason as in `Frames`."""
        told = b""
        for _ in range(PATIENCE_TICKS):
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(STEP_SECONDS / PATIENCE_TICKS):
                    told = await asyncio.get_running_loop().sock_recv(self.door, count)
                    break
        if len(told) < count:
            raise await self._lost()
        return told

    async def _lost(self) -> DecoderUnavailableError:
        """Ended by now."""
        await dying(self.process)
        status = self.process.returncode
        await self.end()
        return unavailable("it does not answer" if status is None else f"it ended with status {status}")


async def start() -> Server:
    """One that is ready. Raises ``OSError`` or ``DecoderUnavailableError``."""
    server = await _spawn()
    try:
        await server.ready()
    except BaseException:
        await server.end()
        raise
    return server


async def _spawn() -> Server:
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
    return Server(process, door)


def unavailable(how: str) -> DecoderUnavailableError:
    """The error for whatever keeps a decoder from its file before it has read any of it."""
    message = f"No decoder could be made ready ({how}). Look at this machine's limits on processes and memory."
    return DecoderUnavailableError(message)
