"""What a decoder's process does with its file: on descriptor 0 the file, on 1 the frames of the answer, nothing else.

``core.audio.fork_server`` runs it; ``core.audio.wire`` says how it speaks to its parent.

Imports nothing heavy but PyAV, and all of it before the sandbox closes: afterwards no file opens, no module either.
"""

import errno
import fcntl
import io
import json
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
from av.stream import Discard

from core.audio import sandbox
from core.audio.formats import CODECS, CONTAINERS, MAX_STREAMS
from core.audio.limits import RefusedError, check_declared, check_shape, too_long
from core.audio.resample import Resampler
from core.audio.source import Source, UnreadError
from core.audio.timeline import Timeline
from core.audio.wave_header import wave_options
from core.audio.wire import FRAME_HEADER, PCM_BYTES, PIPE_BYTES, Request

_BOMB_AFTER_SECONDS = 3_600
_MAX_READ_ERRORS = 64  # in a row


@dataclass(kw_only=True, slots=True)
class _Report:
    samples: int = 0
    packet_bytes: int = 0
    damaged_packets: int = 0
    filled_samples: int = 0
    truncated: bool = False


def serve(request: Request) -> None:
    """Answer one request. Every end that is not a crash is told in an ``E``, ``X`` or ``S`` frame."""
    sink = io.FileIO(1, "w", closefd=False)
    _widen(sink.fileno())
    source = Source(io.FileIO(0, closefd=False), request.name)
    layers = _shut_in(request)
    _send(sink, b"T", b"")
    try:
        _answer(request, source, sink, layers)
    except RefusedError as refusal:
        _send_json(sink, b"X", {"code": refusal.args[0], "message": refusal.args[1]})
    except UnreadError as error:
        _send_json(sink, b"S", {"message": str(error)})
    except OSError as error:
        message = f"The file does not fit together: a place in it cannot be read ({error})."
        _send_json(sink, b"X", {"code": "audio_unreadable", "message": message})
    except MemoryError:
        message = "Decoding this file needs more memory than is allowed; convert it to FLAC or WAV first."
        _send_json(sink, b"X", {"code": "audio_unreadable", "message": message})


def _widen(pipe: int) -> None:
    """Room for a whole frame, where there is such a call (Linux) and the user's pipes may have that much."""
    call = getattr(fcntl, "F_SETPIPE_SZ", None)
    if call is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe, call, PIPE_BYTES)


def warm_up(rate: int) -> None:
    """Decode a second of silence, so that whatever Python or libav load on first use is loaded."""
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", 8000)
    resampler = Resampler(rate)
    with av.open(io.BytesIO(header + b"\x80" * 8000), "r", format="wav", io_open=_refuse_nested) as container:
        for frame in container.decode(audio=0):
            list(resampler.feed(frame))
    list(resampler.flush())


def _shut_in(request: Request) -> list[str]:
    if not request.use_sandbox:
        return []
    return sandbox.apply(
        cpu_seconds=request.cpu_seconds, memory_bytes=request.memory_bytes, parent_pid=request.parent_pid
    )


def _answer(request: Request, source: Source, sink: io.FileIO, layers: list[str]) -> None:
    report, size = _Report(), source.size()
    with _open(source, request) as container:
        stream = _audio_stream(container, check_codec="codecs" in request.lists)
        declared = _declared_seconds(container, stream, size)
        check_declared(container.format.name, declared, request.max_seconds)
        _send_json(sink, b"I", _description(container, stream, declared, layers))
        for block in _blocks(_pcm(container, stream, request.rate, report)):
            report.samples += len(block) // 2
            _check_length(report, request)
            _send(sink, b"P", block)
    if report.samples == 0:
        raise RefusedError("audio_unreadable", "No sound could be decoded from the file; it is empty or damaged.")
    ending = {name: getattr(report, name) for name in _Report.__slots__}
    _send_json(sink, b"E", ending)


def _open(source: Source, request: Request) -> Any:
    options = _options(request.lists) | wave_options(source)
    io_open = _refuse_nested if "nested" in request.lists else None
    try:
        return av.open(source, "r", options=options, io_open=io_open, buffer_size=65_536, metadata_errors="replace")
    except av.error.FFmpegError as error:
        if error.errno == errno.EINVAL:
            raise RefusedError(
                "format_not_allowed",
                "The file's format is not one that is accepted; send WAV, FLAC, MP3, M4A/MP4, Ogg, WebM or Matroska.",
            ) from error
        raise RefusedError(
            "audio_unreadable", "The file is not audio or video that can be read, or it is damaged at its start."
        ) from error


def _options(lists: Sequence[str]) -> dict[str, str]:
    by_list = {
        "formats": {"format_whitelist": ",".join(sorted(CONTAINERS))},
        "codecs": {"codec_whitelist": ",".join(sorted(CODECS))},
        "protocols": {"protocol_whitelist": "none"},  # no protocol has this name; an empty list would mean all
    }
    options = {"max_streams": str(MAX_STREAMS), "threads": "1"}
    for name in lists:
        options |= by_list.get(name, {})
    return options


def _refuse_nested(*_: object) -> BinaryIO:
    """Called when a file wants another one opened, which no accepted format needs."""
    raise RefusedError("format_not_allowed", "The file refers to other files or addresses; send the sound itself.")


def _audio_stream(container: Any, *, check_codec: bool) -> Any:
    if not container.streams.audio:
        raise RefusedError("no_audio_stream", "The file has no audio track.")
    stream = container.streams.audio[0]
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    context = stream.codec_context
    if context is None or (check_codec and context.codec.name not in CODECS):
        named = context.codec.name if context else "an unknown one"
        raise RefusedError("codec_not_allowed", f"The audio's codec ({named}) is not accepted; convert it to FLAC.")
    check_shape(context.sample_rate, context.layout.nb_channels)
    context.thread_count = 1
    return stream


def _declared_seconds(container: Any, stream: Any, size: int) -> float | None:
    candidates = [container.duration / 1e6] if container.duration else []
    if stream.duration and stream.time_base:
        candidates.append(float(stream.duration * stream.time_base))
    bit_rate = stream.codec_context.bit_rate
    if candidates and bit_rate and stream.codec_context.codec.name.startswith("pcm_"):
        # A WAV from a pipe declares all that its length field can hold.
        return float(min(max(candidates), size * 8 / bit_rate))
    return max(candidates, default=None)


def _check_length(report: _Report, request: Request) -> None:
    seconds = report.samples / request.rate
    if seconds > request.max_seconds:
        raise too_long(request.max_seconds)
    if seconds > _BOMB_AFTER_SECONDS and report.samples * 2 > request.max_amplification * report.packet_bytes:
        raise RefusedError(
            "decompression_bomb",
            f"The file unpacks to more than {request.max_amplification:.0f} times its size; no recording does.",
        )


def _description(container: Any, stream: Any, declared: float | None, layers: list[str]) -> dict[str, Any]:
    context = stream.codec_context
    return {
        "container": container.format.name,
        "codec": context.name,
        "sample_rate": context.sample_rate,
        "channels": context.layout.nb_channels,
        "declared_seconds": declared,
        "sandbox": layers,
    }


def _pcm(container: Any, stream: Any, rate: int, report: _Report) -> Iterator[bytes]:
    resampler, timeline = Resampler(rate), Timeline(stream.time_base)
    for packet in _packets(container, stream, report):
        for frame in _frames(packet, report):
            check_shape(frame.sample_rate, frame.layout.nb_channels)
            missing = round(timeline.gap(frame) * rate)
            if missing:
                report.filled_samples += missing
                yield from resampler.flush()
                yield from _silence(missing)
            yield from resampler.feed(frame)
    yield from resampler.flush()


def _silence(samples: int) -> Iterator[bytes]:
    while samples > 0:
        step = min(samples, PCM_BYTES // 2)
        yield bytes(step * 2)
        samples -= step


def _packets(container: Any, stream: Any, report: _Report) -> Iterator[Any]:
    """All packets; reading goes on after damage, and stops (``truncated``) where it makes no headway."""
    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                errors = 0
                report.packet_bytes += packet.size
                yield packet
        except av.error.InvalidDataError:
            errors += 1
            report.damaged_packets += 1
        except av.error.FFmpegError:
            break
        else:
            return
    report.truncated = True


def _frames(packet: Any, report: _Report) -> Iterator[Any]:
    try:
        yield from packet.decode()
    except EOFError:
        return
    except av.error.FFmpegError:
        report.damaged_packets += 1


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes | bytearray]:
    """The same bytes in blocks of ``PCM_BYTES``: one write and one wake-up of the parent for each."""
    held = bytearray()
    for piece in pieces:
        if not held and len(piece) == PCM_BYTES:
            yield piece
            continue
        held += piece
        while len(held) >= PCM_BYTES:
            yield held[:PCM_BYTES]
            del held[:PCM_BYTES]
    if held:
        yield held


def _send_json(sink: io.FileIO, kind: bytes, body: dict[str, Any]) -> None:
    _send(sink, kind, json.dumps(body).encode())


def _send(sink: io.FileIO, kind: bytes, body: bytes | bytearray) -> None:
    """The body is not copied behind its header: both go out together, and mostly at once. A process that is stopped
    meanwhile may have written as little as a byte."""
    header = FRAME_HEADER.pack(kind, len(body))
    sent = os.writev(sink.fileno(), [header, body])
    for part in (header, body):
        view = memoryview(part)[sent:]
        sent = max(0, sent - len(part))
        while view:
            view = view[sink.write(view) or 0 :]
