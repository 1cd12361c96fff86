"""What a decoder's parent has of it: the process, and the pipe on which it speaks."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import ClassVar, Protocol

from core.audio.wire import FRAME_HEADER, MAX_FRAME_BYTES, PIPE_BYTES
from core.errors import AudioError

PATIENCE_TICKS = 10  # equal parts of a wait; a pause of this process or machine uses up one of them
DYING_SECONDS = 1.0  # for what takes a hundredth of one
_FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.001, 0.05


class Child(Protocol):
    """A process that we can end and have to wait for. ``asyncio.subprocess.Process`` is one."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """What it ended with, the number of a signal below 0; None while it lives."""

    def kill(self) -> None:
        """Send SIGKILL."""

    async def wait(self) -> int:
        """Until it has ended; what with."""


async def dying(child: Child) -> None:
    """Wait for an end that is near; not for ever: one that was taken over may live on, and the kernel may be stuck."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DYING_SECONDS):
            await child.wait()


class Sibling:
    """Implements :class:`Child` for one that is ours, though asyncio did not start it and so does not watch it."""

    _killed: ClassVar[set["Sibling"]] = set()  # for which perhaps nobody waits any more

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    @property
    def returncode(self) -> int | None:
        """See :class:`Child`. Whoever sees its end first has it reaped."""
        if self._status is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody has this process ignore SIGCHLD
                ended, status = self.pid, 255 << 8
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def kill(self) -> None:
        """See :class:`Child`."""
        if self.returncode is None:  # else the number may be another's by now
            self._killed.add(self)
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """See :class:`Child`. It has closed its pipe by then, or was killed: there is not long to look."""
        pause = _FIRST_LOOK_SECONDS
        while (status := self.returncode) is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK_SECONDS)
        self._killed.discard(self)
        return status

    @classmethod
    def reap(cls) -> None:
        """Those that were killed, and whose killer was cancelled before they had ended."""
        cls._killed -= {each for each in cls._killed if each.returncode is not None}


class Frames:
    """The reading end of a decoder's pipe."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport | None = None) -> None:
        self._reader = reader
        self.transport = transport

    @classmethod
    async def of(cls, pipe: int) -> "Frames":
        """Of a descriptor, which is closed with it."""
        reader = asyncio.StreamReader(limit=PIPE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(pipe, "rb", 0))
        return cls(reader, transport)

    async def next(self, seconds: float) -> tuple[bytes, bytes]:
        """A frame's kind and body. Raises ``TimeoutError``, ``asyncio.IncompleteReadError``, or ``AudioError``."""
        kind, length = FRAME_HEADER.unpack(await self._exactly(FRAME_HEADER.size, seconds))
        if length > MAX_FRAME_BYTES:  # only a decoder that was taken over would say so
            raise AudioError("The decoder answered nonsense and was stopped.", code="decoder_crashed")
        return kind, await self._exactly(length, seconds)

    def close(self) -> None:
        """Nobody reads on."""
        if self.transport is not None:
            self.transport.close()

    async def _exactly(self, count: int, seconds: float) -> bytes:
        """``count`` bytes, or ``TimeoutError`` after the patience.

        The clock runs on while a process is stopped or its machine asleep, and one long timer is then over before
        anything was read. A read that a short one cuts off has taken nothing from the stream, so it is begun again.
        """
        for _ in range(PATIENCE_TICKS):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds / PATIENCE_TICKS):
                    return await self._reader.readexactly(count)
        raise TimeoutError
