"""Any accepted media file to 16 kHz mono, decoded by a child process that can do nothing else (ADR 0003).

Codes of the :class:`AudioError` that opening or reading raises: ``audio_unreadable``, ``no_audio_stream``,
``audio_too_long``, ``sample_rate_out_of_range``, ``too_many_channels``, ``codec_not_allowed``, ``format_not_allowed``,
``decompression_bomb``, ``decoder_timeout``, ``decoder_crashed``.

What is not the file's doing is a ``TransientError``: ``storage_unavailable`` where it could not be read, and
``DecoderUnavailableError`` where the child was ended by somebody else, or by a fault of its own.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import numpy as np

from core.audio.children import Child, Frames, dying
from core.errors import AudioError, DecoderUnavailableError, ParascribeError, TransientError
from core.models import SAMPLE_RATE, Pcm

# What a fault in native code ends with, libav's own checks, and the sandbox.
_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeLimits:
    """What one file may cost. The defaults suit 24 h of audio."""

    max_seconds: float = 86_400.0
    max_amplification: float = 2_000.0  # bytes of PCM per byte of compressed audio, after an hour
    cpu_seconds: int = 3_600
    memory_bytes: int = 1 << 30  # address space; PyAV needs about 130 MiB of it
    stall_seconds: float = 60.0  # without a sound while we wait for one


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaInfo:
    """What the file says of itself; ``declared_seconds`` may lie. ``sandbox``: the layers that hold the decoder."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    declared_seconds: float | None
    sandbox: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeReport:
    """How the decoding ended.

    ``packet_bytes``: compressed audio read; ``filled_samples``: silence put where the file's time stamps have a gap;
    ``truncated``: the file broke off and the rest could not be read.
    """

    samples: int
    packet_bytes: int
    damaged_packets: int
    filled_samples: int
    truncated: bool

    @property
    def warnings(self) -> list[str]:
        """What a user should know of a file that could be read, though not without trouble."""
        told = []
        if self.truncated:
            told.append("The file breaks off: what comes after its end as it is here is not transcribed.")
        if self.damaged_packets:
            told.append(f"{self.damaged_packets} damaged pieces of the file could not be decoded and were left out.")
        if self.filled_samples:
            seconds = self.filled_samples / SAMPLE_RATE
            told.append(f"The file's clock has gaps, {seconds:.1f} s in all; they count as silence.")
        return told


class Decoder:
    """One file being decoded. ``report`` is there once :meth:`blocks` has ended."""

    def __init__(self, process: Child, frames: Frames, stall_seconds: float) -> None:
        self._process = process
        self._frames = frames
        self.stall_seconds = stall_seconds
        self.info: MediaInfo
        self.report: DecodeReport | None = None

    @property
    def pid(self) -> int:
        """Of the child, for whoever measures it."""
        return self._process.pid

    async def shut_in(self, seconds: float) -> None:
        """Wait until the child is. Raises as reading does, though it has read nothing yet."""
        await self._frame(seconds)

    async def start(self) -> None:
        """Wait until the file is open and fill in ``info``."""
        _, body = await self._frame()
        fields = json.loads(body)
        self.info = MediaInfo(**{**fields, "sandbox": tuple(fields["sandbox"])})

    async def blocks(self, samples: int) -> AsyncIterator[Pcm]:
        """All audio in arrays of exactly ``samples``, the last one shorter; the child waits while nobody reads."""
        gathered = _Gathered(samples)
        while True:
            kind, body = await self._frame()
            if kind == b"E":
                break
            for block in gathered.filled(body):
                yield block
        if len(rest := gathered.rest()):
            yield rest
        self.report = DecodeReport(**json.loads(body))

    async def _frame(self, seconds: float | None = None) -> tuple[bytes, bytes]:
        try:
            kind, body = await self._frames.next(seconds or self.stall_seconds)
        except TimeoutError:
            if self._process.returncode is not None:
                raise await self._obituary() from None
            message = f"Decoding gave no sound for {self.stall_seconds:g} s and was stopped; convert the file to FLAC."
            raise AudioError(message, code="decoder_timeout") from None
        except asyncio.IncompleteReadError:
            raise await self._obituary() from None
        if kind in {b"X", b"S"}:
            raise _told(kind, json.loads(body))
        return kind, body

    async def _obituary(self) -> ParascribeError:
        await dying(self._process)
        await self.close()
        status = await self._process.wait()
        if status == -signal.SIGXCPU:
            message = "Decoding this file takes more processor time than is allowed; convert it to FLAC or WAV first."
            return AudioError(message, code="decoder_timeout")
        if -status in _CRASHES:
            message = f"The decoder died on this file (signal {-status}); the file is damaged or hostile."
            return AudioError(message, code="decoder_crashed")
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return DecoderUnavailableError(f"The decoder was ended while it read this file ({how}). Does memory suffice?")

    async def close(self) -> None:
        """Kill the child, if it lives, and reap it."""
        self.abandon()
        await self._process.wait()

    def abandon(self) -> None:
        """Kill the child, if it lives; it is reaped at some time."""
        if self._process.returncode is None:
            self._process.kill()
        self._frames.close()


def _told(kind: bytes, fields: dict[str, str]) -> ParascribeError:
    if kind == b"S":
        return TransientError(f"The upload could not be read: {fields['message']}", code="storage_unavailable")
    return AudioError(fields["message"], code=fields["code"])


class _Gathered:
    """What frames hold, in arrays of ``samples``: copied straight to where it stays."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._begin()

    def _begin(self) -> None:
        self._block = np.empty(self._samples, dtype=np.int16)
        self._room = self._block.data.cast("B")

    def filled(self, body: bytes) -> Iterator[Pcm]:
        """The arrays that these bytes complete."""
        left = memoryview(body)
        while left:
            count = min(len(left), len(self._room))
            self._room[:count] = left[:count]
            self._room, left = self._room[count:], left[count:]
            if not self._room:
                yield self._block
                self._begin()

    def rest(self) -> Pcm:
        """What is left over; half a sample, which only a decoder that was taken over would send, is dropped."""
        return self._block[: self._samples - (len(self._room) + 1) // 2]
