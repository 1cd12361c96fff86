"""The frames that a decoder sends, as its parent reads them and as it packs them."""

import asyncio
import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.audio.children import Frames, Sibling
from core.audio.decode import Decoder
from core.audio.decode_child import _blocks, _send, _widen
from core.audio.wire import FRAME_HEADER, MAX_FRAME_BYTES, PCM_BYTES, PIPE_BYTES
from core.errors import AudioError, DecoderUnavailableError
from core.models import Pcm

REPORT = json.dumps(
    {"samples": 0, "packet_bytes": 0, "damaged_packets": 0, "filled_samples": 0, "truncated": False}
).encode()
needs_linux = pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="only Linux lets a pipe grow")


def frame(kind: bytes, body: bytes) -> bytes:
    """One, on the wire."""
    return FRAME_HEADER.pack(kind, len(body)) + body


def decoder_saying(*frames: bytes) -> Decoder:
    """A decoder that has said all this."""
    stream = asyncio.StreamReader()
    stream.feed_data(b"".join(frames))
    stream.feed_eof()
    return Decoder(Sibling(0), Frames(stream), 5.0)


async def read(bodies: list[bytes], samples: int) -> list[Pcm]:
    """The arrays that these frames of sound become."""
    decoder = decoder_saying(*(frame(b"P", body) for body in bodies), frame(b"E", REPORT))
    blocks = [block async for block in decoder.blocks(samples)]
    assert decoder.report is not None
    return blocks


@pytest.mark.parametrize("size", [1, 2, 7, 20, 33, 64, 1_000])
async def test_frames_of_any_length_become_arrays_of_one(size: int) -> None:
    """No sample is lost or moved, whether a frame ends inside an array, at its end, or spans several."""
    pcm = np.arange(500, dtype=np.int16)
    data = pcm.tobytes()
    blocks = await read([data[start : start + size] for start in range(0, len(data), size)], 64)
    assert [len(block) for block in blocks] == [64] * 7 + [52]
    assert np.array_equal(np.concatenate(blocks), pcm)


async def test_arrays_that_are_held_are_not_written_to_again() -> None:
    """The next one is read while the caller works on this one."""
    first, second = await read([b"\1\0" * 8, b"\2\0" * 8], 8)
    assert (first.tolist(), second.tolist()) == ([1] * 8, [2] * 8)


@pytest.mark.parametrize("bodies", [[], [b""], [b"\1\0" * 8]])
async def test_sound_that_ends_with_an_array_has_no_empty_one_after_it(bodies: list[bytes]) -> None:
    """Nor has sound that is none."""
    assert [len(block) for block in await read(bodies, 8)] == [8] * bodies.count(b"\1\0" * 8)


@pytest.mark.parametrize(("size", "samples"), [(1, 0), (15, 7), (17, 8)])
async def test_half_a_sample_is_dropped(size: int, samples: int) -> None:
    """A decoder that was taken over says what it likes, and that is no error of ours."""
    assert sum(len(block) for block in await read([bytes(size)], 8)) == samples


async def test_a_frame_that_is_too_long_is_refused_unread() -> None:
    """It would be held in memory as a whole."""
    decoder = decoder_saying(FRAME_HEADER.pack(b"P", MAX_FRAME_BYTES + 1))
    with pytest.raises(AudioError, match="nonsense") as caught:
        await anext(decoder.blocks(8))
    assert caught.value.code == "decoder_crashed"


async def test_silence_of_a_decoder_that_is_dead_is_not_the_files_doing() -> None:
    """Somebody else may hold its pipe open yet: the file would be refused for good."""
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])  # noqa: ASYNC220  ours to wait for
    decoder = Decoder(Sibling(process.pid), Frames(asyncio.StreamReader()), 0.05)
    while decoder._process.returncode is None:  # noqa: ASYNC110  there is no event for that
        await asyncio.sleep(0.01)
    process.returncode = 7  # else it would say at its end that it still runs
    with pytest.raises(DecoderUnavailableError, match="exit status 7"):
        await anext(decoder.blocks(8))


@pytest.mark.parametrize("length", [1, PCM_BYTES - 2, PCM_BYTES, PCM_BYTES + 2, 3 * PCM_BYTES])
def test_sound_is_packed_into_few_frames(length: int) -> None:
    """All of it, and as large as may be but the last."""
    data = os.urandom(length)
    blocks = list(_blocks(iter([data[: length // 3], data[length // 3 :]])))
    assert b"".join(blocks) == data
    assert {len(block) for block in blocks[:-1]} <= {PCM_BYTES}
    assert 0 < len(blocks[-1]) <= PCM_BYTES


def test_a_frame_fits_into_the_pipe_and_the_limit() -> None:
    """Else every frame would wake both sides several times, or be refused."""
    assert FRAME_HEADER.size + PCM_BYTES <= PIPE_BYTES
    assert PCM_BYTES <= MAX_FRAME_BYTES


@needs_linux
def test_the_pipe_has_room_for_a_frame() -> None:
    """Written at once, although nobody reads."""
    reader, writer = os.pipe()
    try:
        _widen(writer)
        os.set_blocking(writer, False)
        assert os.write(writer, bytes(FRAME_HEADER.size + PCM_BYTES)) == FRAME_HEADER.size + PCM_BYTES
    finally:
        os.close(reader)
        os.close(writer)


def test_a_pipe_that_may_not_grow_stays_as_it_is(tmp_path: Path) -> None:
    """The limits of the user may refuse it; a file stands for that."""
    with (tmp_path / "x").open("wb") as file:
        _widen(file.fileno())


def test_where_no_pipe_can_grow_none_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.delattr(fcntl, "F_SETPIPE_SZ", raising=False)
    _widen(-1)


@pytest.mark.parametrize("first", range(1, FRAME_HEADER.size + 9))
@pytest.mark.parametrize("then", [1, 3, 100])
def test_a_frame_is_whole_however_little_is_written_at_once(
    monkeypatch: pytest.MonkeyPatch, first: int, then: int
) -> None:
    """A process that is stopped while the pipe is full goes on with a write that was cut short, even in the header."""
    written = bytearray()

    def some(_: int, parts: list[bytes]) -> int:
        written.extend(b"".join(parts)[:first])
        return first

    class Sink(io.FileIO):
        def write(self, data: Any) -> int:
            written.extend(data[:then])
            return min(then, len(data))

    monkeypatch.setattr(os, "writev", some)
    with Sink(os.devnull, "w") as sink:
        _send(sink, b"P", b"abcdefgh")
    assert written == FRAME_HEADER.pack(b"P", 8) + b"abcdefgh"
