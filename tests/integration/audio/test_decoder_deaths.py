"""A decoder that others end, or that cannot read its file: no fault of the file's, which stays and is tried again."""

import errno
import os
import signal
import struct
from pathlib import Path

import pytest

from core.audio import server as module
from core.audio.decode import DecodeLimits, Decoder
from core.audio.decoders import Decoders, open_decoder
from core.errors import DecoderUnavailableError, TransientError
from core.models import SAMPLE_RATE
from tests.helpers_audio import clip, encode, flac_of_silence, noise, write_wav
from tests.integration.audio.decoding import LIMITS, decode, refusal

SECONDS = 120
# What the child runs before it serves: it is another process, and no fake reaches into it.
EXITS = "import os; from core.audio import decode_child; decode_child._answer = lambda *_: os._exit(7); "
STORAGE_FAILS = """
import errno, io
class Failing(io.FileIO):
    left = {after}
    def read(self, count=-1):
        if self.left <= 0:
            raise OSError(errno.EIO, "the share is away")
        data = super().read(count)
        self.left -= len(data)
        return data
io.FileIO = Failing
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """More than the pipe holds, so that the child is at work when it is met."""
    return write_wav(tmp_path / "x.wav", noise(SECONDS))


def with_first(program: str) -> str:
    """A child that runs this first, with what it may import at hand."""
    return f"import sys; sys.path.insert(0, sys.argv[1])\n{program}\n{module._BOOTSTRAP}"


async def samples(decoder: Decoder) -> int:
    """All that come."""
    return sum([len(block) async for block in decoder.blocks(SAMPLE_RATE)])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_ends_the_worker_does_not_reach_the_decoder(recording: Path, number: signal.Signals) -> None:
    """Ctrl-C and systemd's stop go to the child as well: the worker then gives the file back, unharmed."""
    async with open_decoder(recording, LIMITS) as decoder:
        os.kill(decoder.pid, number)
        assert await samples(decoder) == SECONDS * SAMPLE_RATE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_nor_the_server_that_stands_by(recording: Path, number: signal.Signals) -> None:
    """It takes the next file as if nothing had been."""
    decoders = Decoders()
    await decoders.prepare()
    server = decoders._server
    assert server is not None
    os.kill(server.process.pid, number)
    async with decoders.open(recording, LIMITS) as decoder:
        assert await samples(decoder) == SECONDS * SAMPLE_RATE
    assert server.process.returncode is None
    await decoders.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1])
async def test_a_decoder_that_is_killed_is_not_the_files_fault(recording: Path, number: signal.Signals) -> None:
    """By somebody, or by the kernel for want of memory."""
    async with open_decoder(recording, LIMITS) as decoder:
        os.kill(decoder.pid, number)
        with pytest.raises(DecoderUnavailableError, match=f"signal {number.value}"):
            await samples(decoder)


async def test_a_decoder_that_fails_on_its_own_is_not_the_files_fault(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a traceback: a fault of ours, until shown otherwise."""
    monkeypatch.setattr(module, "_BOOTSTRAP", with_first(EXITS))
    with pytest.raises(DecoderUnavailableError, match="exit status 7"):
        await decode(recording)


@pytest.mark.parametrize("kind", [("x.wav", "pcm_s16le"), ("x.mp3", "libmp3lame"), ("x.ogg", "flac"), ("x.mp4", "aac")])
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
async def test_a_file_that_cannot_be_read_waits_for_its_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: tuple[str, str], part: float
) -> None:
    """A share that fails at the start, on the way or at the end: never taken for damage, nor for the file's end."""
    path = encode(tmp_path / kind[0], clip(0), codec=kind[1])
    after = round(part * path.stat().st_size)
    monkeypatch.setattr(module, "_BOOTSTRAP", with_first(STORAGE_FAILS.format(after=after)))
    with pytest.raises(TransientError, match=f"Errno {errno.EIO}") as caught:
        await decode(path)
    assert caught.value.code == "storage_unavailable"


@pytest.mark.parametrize("size", [2**62, 2**63 - 100])
async def test_a_place_that_no_file_has_is_damage(tmp_path: Path, size: int) -> None:
    """A file of CAF names the length of each part: where it goes on is not the storage's doing, nor the decoder's."""
    head = b"caff" + struct.pack(">HH", 1, 0)
    description = b"desc" + struct.pack(">q", 32) + struct.pack(">d4sIIIII", 16_000.0, b"lpcm", 0, 2, 1, 1, 16)
    (path := tmp_path / "x.caf").write_bytes(head + description + b"free" + struct.pack(">q", size) + bytes(64_000))
    assert (await refusal(path, LIMITS)).code == "audio_unreadable"


async def test_processor_time_is_limited_whatever_the_child_inherits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SIGXCPU is ignored the kernel ends the process by SIGKILL, as anybody might who needs memory."""
    ignoring = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)"
    monkeypatch.setattr(module, "_BOOTSTRAP", with_first(ignoring))
    path = flac_of_silence(tmp_path / "x.flac", days=1, declared=False)
    limits = DecodeLimits(cpu_seconds=1, max_seconds=1e9, max_amplification=1e9)
    assert (await refusal(path, limits)).code == "decoder_timeout"
