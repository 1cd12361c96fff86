"""The decoder's child processes, each for one file: clones of a server that has loaded all that they need.

A clone is given its file, and a pipe for what it says, as open descriptors: it may open nothing itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from core.audio.children import Sibling
from core.audio.decode import DecodeLimits, Decoder
from core.audio.server import STEP_SECONDS, Server, start, unavailable
from core.audio.wire import Request
from core.errors import AudioError, DecoderUnavailableError
from core.models import SAMPLE_RATE


class Decoders:
    """Decoders for one event loop. Whoever has called :meth:`prepare` or :meth:`open` has to :meth:`close`."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._asking = asyncio.Lock()
        self._closed = False

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
        except AudioError as error:
            if error.code == "decoder_crashed":
                await self._dismiss()
            raise
        finally:
            await decoder.close()

    async def close(self) -> None:
        """End the server. No file is opened after that."""
        self._closed = True
        await self._end()

    async def _end(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.end()

    async def _dismiss(self) -> None:
        """Whoever makes a decoder crash may learn how it is laid out in memory, and all clones are alike."""
        async with self._asking:
            await self._end()

    async def _opened(self, path: Path, stall_seconds: float, request: Request) -> Decoder:
        """A server that stood by may have been killed meanwhile, for want of memory."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            async with self._asking:
                Sibling.reap()
                if self._server is not None:
                    with suppress(DecoderUnavailableError):
                        return await self._cloned(self._server, file, stall_seconds, request)
                return await self._cloned(await self._prepared(), file, stall_seconds, request)
        finally:
            os.close(file)

    async def _cloned(self, server: Server, file: int, stall_seconds: float, request: Request) -> Decoder:
        cloning = asyncio.create_task(server.clone(os.dup(file), stall_seconds, request))
        try:
            decoder = await asyncio.shield(cloning)
        except asyncio.CancelledError:  # the server alone can tell which process is to be ended
            self._server = None
            cloning.add_done_callback(lambda _: _taken_back(server, cloning))
            raise
        except DecoderUnavailableError:
            self._server = None
            raise
        if decoder.pid == server.process.pid:  # no clone could be made
            self._server = None
            server.door.close()
        return decoder

    async def _prepared(self) -> Server:
        if self._server is None or self._server.process.returncode is not None:
            await self._end()
            self._server = await start()
        if self._closed:
            await self._end()
            raise unavailable("it was closed")
        return self._server


def _taken_back(server: Server, cloning: "asyncio.Task[Decoder]") -> None:
    """Nobody waits for it any more. The server leaves by itself when the door is closed."""
    server.door.close()
    if not cloning.cancelled() and cloning.exception() is None:
        cloning.result().abandon()


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
        raise unavailable(str(error)) from error


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
