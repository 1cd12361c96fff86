"""The decoder's child processes: started, given a file each, and one that stands by.

To start one takes about as long as to decode minutes of audio. So one is started ahead, has loaded all that it needs,
and waits for its file; it is given that as an open descriptor, since it may open nothing itself.
"""

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.audio.decode import DecodeLimits, Decoder
from core.audio.wire import PIPE_BYTES, Request
from core.errors import AudioError, DecoderUnavailableError
from core.models import SAMPLE_RATE

STEP_SECONDS = 60.0  # for what takes a tenth of one
_ROOT = Path(__file__).resolve().parents[2]
# By a path of our own: -I drops the working directory, and a checkout that is run in place is not installed.
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from core.audio.decode_child import main; main()"


@dataclass(frozen=True, slots=True)
class _Child:
    """A process, and where it waits for its file."""

    process: Process
    door: socket.socket

    async def take(self, file: int, stall_seconds: float, request: Request) -> Decoder:
        """Give it the file, and wait until that is open.

        Raises ``AudioError`` for what the file does to it, ``TransientError`` for what others do.
        """
        decoder = Decoder(self.process, stall_seconds)
        try:
            with self.door, suppress(BrokenPipeError):  # it may have died: that is heard of in the next line
                socket.send_fds(self.door, [json.dumps(asdict(request)).encode()], [file])
            await self.signal()
            await decoder.start()
        except BaseException:
            await decoder.close()
            raise
        return decoder

    async def signal(self) -> None:
        """Wait until it is one step further. Raises ``DecoderUnavailableError``."""
        try:
            await Decoder(self.process, STEP_SECONDS).signal()
        except (AudioError, DecoderUnavailableError) as error:
            status = self.process.returncode
            how = "it does not answer" if status is None else f"it ended with status {status}"
            message = f"No decoder could be made ready ({how}). Look at this machine's limits on processes and memory."
            raise DecoderUnavailableError(message) from error

    async def send_away(self) -> None:
        """Nobody needs it any more."""
        self.door.close()
        await Decoder(self.process, STEP_SECONDS).close()


class Decoders:
    """Decoders for one event loop. Whoever has called :meth:`prepare` has to :meth:`close`."""

    def __init__(self) -> None:
        self._ready: _Child | None = None
        self._preparing = asyncio.Lock()

    async def prepare(self) -> None:
        """Have a child stand by, if there is none, and wait until it does.

        Raises ``OSError`` or ``DecoderUnavailableError`` where that cannot be.
        """
        async with self._preparing:
            if self._ready is not None and self._ready.process.returncode is None:
                return
            await self.close()
            self._ready = await _start()

    @asynccontextmanager
    async def open(self, path: Path, limits: DecodeLimits, **for_tests: Any) -> AsyncIterator[Decoder]:
        """Start decoding ``path``; leaving the block ends the child at once.

        Raises ``AudioError`` or ``TransientError``: see :mod:`core.audio.decode`; ``OSError`` or
        ``DecoderUnavailableError`` where no child can be made ready, which says nothing about the file.
        """
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            decoder = await self._opened(file, limits.stall_seconds, _request(limits, for_tests))
        finally:
            os.close(file)
        try:
            yield decoder
        finally:
            await decoder.close()

    async def close(self) -> None:
        """End the child that stands by."""
        child, self._ready = self._ready, None
        if child is not None:
            await child.send_away()

    async def _opened(self, file: int, stall_seconds: float, request: Request) -> Decoder:
        """One that stood by may have been killed meanwhile, for want of memory."""
        child, self._ready = self._ready, None
        if child is not None:
            with suppress(DecoderUnavailableError):
                return await child.take(file, stall_seconds, request)
        return await (await _start()).take(file, stall_seconds, request)


@asynccontextmanager
async def open_decoder(path: Path, limits: DecodeLimits) -> AsyncIterator[Decoder]:
    """As :meth:`Decoders.open`, for whoever has one file."""
    async with Decoders().open(path, limits) as decoder:
        yield decoder


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


async def _start() -> _Child:
    """One that stands by."""
    child = await _spawn()
    try:
        await child.signal()
    except BaseException:
        await child.send_away()
        raise
    return child


async def _spawn() -> _Child:
    door, inside = socket.socketpair()
    command = [sys.executable, "-I", "-c", _BOOTSTRAP, str(_ROOT), str(SAMPLE_RATE)]
    try:
        with inside:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=inside.fileno(), stdout=PIPE, stderr=DEVNULL, env={}, cwd="/", limit=PIPE_BYTES
            )
    except BaseException:
        door.close()
        raise
    return _Child(process, door)
