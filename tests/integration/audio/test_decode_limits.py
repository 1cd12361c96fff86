"""Limits on what a file may cost, and the end of the child process in every case."""

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from core.audio.decode import DecodeLimits, Decoder
from core.audio.decoders import open_decoder
from core.errors import AudioError
from core.models import SAMPLE_RATE
from tests.helpers_audio import flac_of_silence, noise, wav_header, write_wav
from tests.integration.audio.decoding import LIMITS, decode, refusal


async def test_a_declared_length_over_the_limit_is_refused_at_once(tmp_path: Path) -> None:
    """30 days of silence in a FLAC of 5 MB: not one sample is decoded."""
    path = flac_of_silence(tmp_path / "x.flac", days=30, declared=True)
    with pytest.raises(AudioError, match="24 h") as caught:
        async with open_decoder(path, LIMITS):
            pytest.fail("it was opened")
    assert caught.value.code == "audio_too_long"


async def test_a_length_that_is_not_declared_is_counted(tmp_path: Path) -> None:
    """The limit holds whatever the header says."""
    path = flac_of_silence(tmp_path / "x.flac", days=0.02, declared=False)
    assert (await refusal(path, DecodeLimits(max_seconds=600))).code == "audio_too_long"
    assert len((await decode(path, DecodeLimits(max_seconds=1_800)))[1]) > 1_700 * SAMPLE_RATE


async def test_a_pipe_s_wav_may_declare_the_largest_length(tmp_path: Path) -> None:
    """Programs that write to a pipe cannot know the length; 2 GiB of 8 kHz would be 37 h."""
    path, pcm = tmp_path / "x.wav", noise(2)
    path.write_bytes(wav_header(rate=8_000, data_bytes=0x7FFF_FFFF) + pcm.tobytes())
    assert len((await decode(path))[1]) == 2 * len(pcm)


async def test_what_unpacks_beyond_reason_is_cut_off(tmp_path: Path) -> None:
    """After an hour of audio at 15,000 times its size; without this rule 24 h would be counted, which takes 20 s."""
    path = flac_of_silence(tmp_path / "x.flac", days=0.06, declared=False)
    assert (await refusal(path)).code == "decompression_bomb"
    await decode(path, DecodeLimits(max_amplification=20_000))


async def test_leaving_the_block_ends_the_child(tmp_path: Path) -> None:
    """Killed and reaped before the block is left, though most of the file was not read."""
    path = write_wav(tmp_path / "x.wav", noise(120))
    async with open_decoder(path, LIMITS) as decoder:
        await anext(decoder.blocks(SAMPLE_RATE))
        assert psutil.pid_exists(decoder.pid)
    assert not psutil.pid_exists(decoder.pid)


async def test_cancelling_ends_the_child(tmp_path: Path) -> None:
    """Also when nobody leaves the block in good order."""
    path, pids = write_wav(tmp_path / "x.wav", noise(60)), asyncio.Queue[int]()

    async def read() -> None:
        async with open_decoder(path, LIMITS) as decoder:
            pids.put_nowait(decoder.pid)
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    pid = await pids.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE])
async def test_a_crash_of_the_child_is_an_error_with_a_code(tmp_path: Path, number: signal.Signals) -> None:
    """A signal, as a fault in native code sends it."""
    async with open_decoder(write_wav(tmp_path / "x.wav", noise(120)), LIMITS) as decoder:
        os.kill(decoder.pid, number)
        with pytest.raises(AudioError, match=f"signal {number.value}") as caught:
            async for _ in decoder.blocks(SAMPLE_RATE):
                pass
    assert caught.value.code == "decoder_crashed"


async def test_a_child_that_stops_is_given_up(tmp_path: Path) -> None:
    """No sound for so long while we wait for it is an error."""
    path = write_wav(tmp_path / "x.wav", noise(120))
    async with open_decoder(path, DecodeLimits(stall_seconds=5)) as decoder:
        os.kill(decoder.pid, signal.SIGSTOP)
        decoder.stall_seconds = 0.2
        with pytest.raises(AudioError) as caught:
            async for _ in decoder.blocks(SAMPLE_RATE):
                pass
    assert caught.value.code == "decoder_timeout"


async def test_a_reader_that_pauses_is_not_a_stall(tmp_path: Path) -> None:
    """The clock runs only while we wait: a full pipe is our doing."""
    path = write_wav(tmp_path / "x.wav", noise(60))
    async with open_decoder(path, LIMITS) as decoder:
        decoder.stall_seconds = 0.3
        blocks = decoder.blocks(SAMPLE_RATE)
        await anext(blocks)
        parked = asyncio.Event()
        asyncio.get_running_loop().call_later(0.6, parked.set)
        await parked.wait()
        assert sum([len(block) async for block in blocks]) == 59 * SAMPLE_RATE


async def test_a_pause_of_the_process_is_not_a_stall(tmp_path: Path) -> None:
    """A stopped process or a frozen machine, for longer than the patience: the decoder was not slow, we were away."""
    path = write_wav(tmp_path / "x.wav", noise(300))
    async with open_decoder(path, LIMITS) as decoder:
        decoder.stall_seconds = 0.5
        reading = asyncio.create_task(_count(decoder))
        stream = decoder._frames._reader
        while stream._waiter is None:  # type: ignore[attr-defined]  # noqa: ASYNC110  until it waits for the child
            await asyncio.sleep(0)
        time.sleep(0.8)  # noqa: ASYNC251  what SIGSTOP and SIGCONT look like from inside
        assert await reading == 300 * SAMPLE_RATE


async def _count(decoder: Decoder) -> int:
    return sum([len(block) async for block in decoder.blocks(SAMPLE_RATE)])


async def test_processor_time_is_limited(tmp_path: Path) -> None:
    """A file that costs more than it may ends, with words for it."""
    path = flac_of_silence(tmp_path / "x.flac", days=5, declared=False)
    limits = DecodeLimits(cpu_seconds=1, max_seconds=1e9, max_amplification=1e9)
    assert (await refusal(path, limits)).code == "decoder_timeout"
