"""The server that decoders are clones of: it saves their start, and costs nobody anything if it dies or is not used."""

import asyncio
import fcntl
import os
import platform
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from core.audio import server as module
from core.audio.decode import DecodeLimits
from core.audio.decoders import Decoders
from core.audio.wire import PIPE_BYTES
from core.errors import AudioError, DecoderUnavailableError
from core.models import SAMPLE_RATE
from tests.helpers_audio import CLIPS, noise, write_wav

LIMITS = DecodeLimits()
LINUX = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}


@pytest.fixture
async def decoders() -> AsyncIterator[Decoders]:
    """Closed at the end."""
    one = Decoders()
    yield one
    await one.close()


def children() -> set[int]:
    """Of this process, alive."""
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


def every_child() -> set[int]:
    """Those that are dead and were not waited for as well."""
    return {child.pid for child in psutil.Process().children()}


def server_with(program: str) -> str:
    """A server that runs this first."""
    first = "import sys; sys.path.insert(0, sys.argv[1]); from core.audio import fork_server; "
    return f"{first}{program}; fork_server.main()"


def descriptors() -> int:
    """How many files this process has open."""
    return psutil.Process().num_fds()


async def until_gone(pids: set[int]) -> None:
    """Reaped, too."""
    async with asyncio.timeout(10):
        while pids & every_child():  # noqa: ASYNC110  there is no event for that
            await asyncio.sleep(0.01)


async def decoded(decoders: Decoders, path: Path) -> tuple[int, int]:
    """Which process did it, and how many samples came."""
    async with decoders.open(path, LIMITS) as decoder:
        return decoder.pid, sum([len(block) async for block in decoder.blocks(SAMPLE_RATE)])


async def standing_by(decoders: Decoders) -> int:
    """The process that does."""
    before = children()
    await decoders.prepare()
    (pid,) = children() - before
    return pid


async def test_every_file_has_a_process_of_its_own(decoders: Decoders) -> None:
    """With nothing left of another file, and none of them is the one that stands by."""
    server = await standing_by(decoders)
    first, samples = await decoded(decoders, CLIPS[0])
    second, again = await decoded(decoders, CLIPS[0])
    assert len({server, first, second}) == 3
    assert samples == again > SAMPLE_RATE
    assert children() >= {server}
    assert not {first, second} & children()


async def test_a_file_costs_no_start(decoders: Decoders) -> None:
    """A clone takes a small part of the processor time that the server took to load everything."""
    server = psutil.Process(await standing_by(decoders)).cpu_times()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        await decoded(decoders, CLIPS[0])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    clones = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    assert clones / 5 < (server.user + server.system) / 2


async def test_files_side_by_side(decoders: Decoders) -> None:
    """Each has its own."""
    await standing_by(decoders)
    done = await asyncio.gather(*(decoded(decoders, CLIPS[0]) for _ in range(4)))
    assert len({pid for pid, _ in done}) == 4
    assert len({samples for _, samples in done}) == 1


REFUSED = "fork_server.clone = lambda: -1"
FLAG_IGNORED = "fork_server._CLONE_PARENT = 0"  # as gVisor did


@pytest.mark.parametrize("program", [REFUSED, FLAG_IGNORED])
async def test_where_no_clone_can_be_made_the_server_decodes(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """As on macOS. The next file has another one."""
    monkeypatch.setattr(module, "_BOOTSTRAP", server_with(program))
    server = await standing_by(decoders)
    done = await asyncio.gather(*(decoded(decoders, CLIPS[0]) for _ in range(3)))
    assert done[0][0] == server
    assert len({pid for pid, _ in done}) == 3
    assert len({samples for _, samples in done}) == 1
    assert not {pid for pid, _ in done} & children()


@pytest.mark.parametrize("program", ["", REFUSED])
async def test_a_crash_is_the_files_and_the_next_decoder_is_laid_out_anew(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Clones are alike in memory, and whoever makes them crash learns something each time."""
    crash = "; from core.audio import decode_child; decode_child._answer = lambda *_: ctypes.string_at(0)"
    monkeypatch.setattr(module, "_BOOTSTRAP", server_with(f"import ctypes; {program or 'pass'}{crash}"))
    for _ in range(3):
        server = await standing_by(decoders)
        with pytest.raises(AudioError) as caught:
            await decoded(decoders, CLIPS[0])
        assert caught.value.code == "decoder_crashed"
        await until_gone({server})


async def test_a_clone_that_dies_at_once_leaves_the_server_in_peace(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known by its number before it says anything, and is reaped."""
    dies = "import os; fork_server._become_decoder = lambda *_: os._exit(9)"
    monkeypatch.setattr(module, "_BOOTSTRAP", server_with(dies))
    server = await standing_by(decoders)
    for _ in range(3):
        with pytest.raises(DecoderUnavailableError, match="exit status 9"):
            await decoded(decoders, CLIPS[0])
    assert server in children()
    assert len(every_child()) == len(children())


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("times", [1, 2])
async def test_whoever_stops_waiting_leaves_nothing_behind(decoders: Decoders, steps: int, times: int) -> None:
    """At whichever point: no process, no descriptor, and the next file is decoded."""
    await standing_by(decoders)
    await decoded(decoders, CLIPS[0])
    await asyncio.sleep(0)  # what is closed is closed in the next turn
    before = len(every_child()), descriptors()
    opening = asyncio.create_task(decoded(decoders, CLIPS[0]))
    for _ in range(steps):
        await asyncio.sleep(0.0005)
    for _ in range(times):
        opening.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(opening, return_exceptions=True)
    assert (await decoded(decoders, CLIPS[0]))[1] > SAMPLE_RATE
    await decoders.prepare()
    async with asyncio.timeout(10):
        while (len(every_child()), descriptors()) != before:
            await decoded(decoders, CLIPS[0])  # by which is reaped who was killed and not waited for
            await asyncio.sleep(0.01)


async def test_after_the_end_nothing_is_started(decoders: Decoders) -> None:
    """Neither by whoever asks then, nor by whoever is just asking."""
    before = children()
    preparing = asyncio.create_task(decoders.prepare())
    await asyncio.sleep(0.01)
    await decoders.close()
    with pytest.raises(DecoderUnavailableError):
        await preparing
    with pytest.raises(DecoderUnavailableError):
        await decoded(decoders, CLIPS[0])
    assert children() == before


async def test_preparing_twice_starts_one(decoders: Decoders) -> None:
    """There is work for one at a time."""
    await standing_by(decoders)
    before = children()
    await decoders.prepare()
    assert children() == before


async def test_one_that_was_killed_while_it_stood_by_is_not_the_files_fault(decoders: Decoders) -> None:
    """Whoever needs memory takes it from those who wait."""
    pid = await standing_by(decoders)
    os.kill(pid, signal.SIGKILL)
    used, samples = await decoded(decoders, CLIPS[0])
    assert used != pid
    assert samples > SAMPLE_RATE


async def test_one_that_died_is_replaced(decoders: Decoders) -> None:
    """By the next look."""
    pid, before = await standing_by(decoders), children()
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while not (following := children() - before):
            await asyncio.sleep(0)  # its end is noticed by the loop
            await decoders.prepare()
    assert (await decoded(decoders, CLIPS[0]))[1] > SAMPLE_RATE
    assert following == children() - before


async def test_a_file_that_cannot_be_read_is_refused_as_by_any_other(decoders: Decoders, tmp_path: Path) -> None:
    """Its fault stays its fault."""
    await standing_by(decoders)
    path = tmp_path / "x.wav"
    path.write_bytes(b"not a sound" * 100)
    with pytest.raises(AudioError) as caught:
        await decoded(decoders, path)
    assert caught.value.code in {"audio_unreadable", "format_not_allowed"}


async def test_a_clone_is_shut_in_before_it_reads(decoders: Decoders) -> None:
    """It has said which layers hold when it begins to read."""
    await standing_by(decoders)
    async with decoders.open(CLIPS[0], LIMITS) as ready:
        assert set(ready.info.sandbox) == ({"rlimits", "process-flags", "seccomp"} if LINUX else {"rlimits"})


@pytest.mark.skipif(not hasattr(fcntl, "F_GETPIPE_SZ"), reason="only Linux lets a pipe grow")
async def test_its_pipe_has_room_for_a_frame(decoders: Decoders) -> None:
    """It was widened before the child was shut in."""
    async with decoders.open(CLIPS[0], LIMITS) as decoder:
        transport = decoder._frames.transport
        assert transport is not None
        pipe = transport.get_extra_info("pipe")
        assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == PIPE_BYTES


async def test_a_pipe_that_cannot_be_widened_carries_the_same_sound(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Frames are then longer than the pipe."""
    monkeypatch.setattr(module, "_BOOTSTRAP", "import fcntl; vars(fcntl).pop('F_SETPIPE_SZ', 0); " + module._BOOTSTRAP)
    path = write_wav(tmp_path / "x.wav", noise(40))
    assert (await decoded(decoders, path))[1] == 40 * SAMPLE_RATE


async def test_one_that_was_stopped_while_it_stood_by_is_not_the_files_fault(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, and then another one takes the file."""
    monkeypatch.setattr(module, "STEP_SECONDS", 1.0)
    pid = await standing_by(decoders)
    os.kill(pid, signal.SIGSTOP)
    used, samples = await decoded(decoders, CLIPS[0])
    assert used != pid
    assert samples > SAMPLE_RATE
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
async def test_a_machine_that_cannot_start_any_is_not_the_files_fault(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """It is an error that passes: the upload stays, and is tried again."""
    monkeypatch.setattr(module, "_BOOTSTRAP", program)
    before = children()
    with pytest.raises(DecoderUnavailableError, match="No decoder could be made ready"):
        await decoders.prepare()
    with pytest.raises(DecoderUnavailableError):
        await decoded(decoders, CLIPS[0])
    assert children() == before


async def test_closing_ends_it() -> None:
    """And nothing else is left of it."""
    decoders = Decoders()
    pid = await standing_by(decoders)
    await decoders.close()
    assert not psutil.pid_exists(pid)
