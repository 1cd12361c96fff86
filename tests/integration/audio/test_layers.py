"""Each of the decoder's layers holds alone: the lists without the sandbox, the sandbox without the lists."""

import json
import platform
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.audio.decode import DecodeLimits
from core.audio.decoders import open_decoder
from core.audio.sandbox import _program
from core.errors import AudioError
from tests.helpers_audio import CLIPS, noise, write_wav

ROOT = Path(__file__).parents[3]
LINUX = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}
needs_seccomp = pytest.mark.skipif(not LINUX, reason="seccomp is a thing of Linux")
LIMITS = DecodeLimits(stall_seconds=30)


async def outcome(path: Path, **layers: Any) -> str:
    """``decoded``, or the code of the error."""
    try:
        async with open_decoder(path, LIMITS, **layers) as decoder:
            async for _ in decoder.blocks(16_000):
                pass
    except AudioError as error:
        return error.code
    return "decoded"


@pytest.fixture
def canary_list(tmp_path: Path) -> Path:
    """A playlist under the name of a sound, naming a file that was never uploaded."""
    shutil.copy(CLIPS[0], tmp_path / "canary.wav")
    path = tmp_path / "upload.wav"
    path.write_text(f"ffconcat version 1.0\nfile {str(tmp_path / 'canary.wav').lstrip('/')}\n")
    return path


class Listener:
    """Counts connections on a loopback port."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            if connection.recv(4) == b"stop":
                connection.close()
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        with socket.create_connection(self._server.getsockname()) as connection:
            connection.sendall(b"stop")
        self._thread.join()
        self._server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """On for one test."""
    one = Listener()
    yield one
    one.close()


@pytest.fixture
def beacon_list(tmp_path: Path, listener: Listener) -> Path:
    """A playlist that makes whoever follows it connect to the listener."""
    path = tmp_path / "upload.mp3"
    address = f"http://127.0.0.1:{listener.port}/x.mp3"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:7,\n{address}\n#EXT-X-ENDLIST\n")
    return path


async def test_without_any_layer_a_playlist_reads_another_file(canary_list: Path) -> None:
    """The attack is real: if this fails, the tests below prove nothing."""
    assert await outcome(canary_list, use_sandbox=False, lists=()) == "decoded"


async def test_without_any_layer_a_playlist_connects(beacon_list: Path, listener: Listener) -> None:
    """Likewise for the network."""
    await outcome(beacon_list, use_sandbox=False, lists=(), name="x.m3u8")
    assert listener.connections > 0


async def test_the_sandbox_alone_stops_a_playlist_from_reading(canary_list: Path) -> None:
    """With every list off, the other file cannot be opened."""
    assert await outcome(canary_list, lists=()) == "audio_unreadable"


async def test_the_sandbox_alone_stops_a_playlist_from_connecting(beacon_list: Path, listener: Listener) -> None:
    """With every list off, there is no socket."""
    await outcome(beacon_list, lists=(), name="x.m3u8")
    assert listener.connections == 0


@pytest.mark.parametrize("one", ["formats", "protocols"])
async def test_a_list_alone_stops_a_playlist_from_reading(canary_list: Path, one: str) -> None:
    """The list of formats knows no playlist, the list of protocols has no way to open a file."""
    assert await outcome(canary_list, use_sandbox=False, lists=(one,)) == "format_not_allowed"


@pytest.mark.parametrize("one", ["formats", "protocols", "nested"])
async def test_a_list_alone_stops_a_playlist_from_connecting(beacon_list: Path, listener: Listener, one: str) -> None:
    """Nor is there one to connect; and whatever a format tries to open is refused."""
    assert await outcome(beacon_list, use_sandbox=False, lists=(one,), name="x.m3u8") != "decoded"
    assert listener.connections == 0


@pytest.mark.parametrize("name", ["x.wav", "x.mp3", "x.mp4", "x.m3u8"])
async def test_playlists_are_refused_under_any_name(
    canary_list: Path, beacon_list: Path, listener: Listener, name: str
) -> None:
    """As in use: all layers on, the name of the upload unknown to the child or known."""
    for path in (canary_list, beacon_list):
        assert await outcome(path, name=name) in {"format_not_allowed", "audio_unreadable"}
    assert listener.connections == 0


@pytest.mark.parametrize("use_sandbox", [True, False])
async def test_sound_decodes_with_and_without_the_sandbox(tmp_path: Path, use_sandbox: bool) -> None:
    """The sandbox takes away nothing that decoding needs."""
    assert await outcome(write_wav(tmp_path / "x.wav", noise(1)), use_sandbox=use_sandbox) == "decoded"


PROBE = """
import ctypes, errno, json, os, resource, socket, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
from core.audio import sandbox
libc = ctypes.CDLL(None, use_errno=True)
def call(number):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno(), "ok") if libc.syscall(number, *[ctypes.c_long(0)] * 6) < 0 else "ok"
def name(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    except (MemoryError, RuntimeError) as error:
        return type(error).__name__
    except ValueError:  # how setrlimit tells of EPERM
        return "EPERM"
    return "ok"
probes = {
    "socket": lambda: socket.socket(),
    "pair": lambda: socket.socketpair(),
    "open": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "open in the place of another": lambda: (os.close(2), os.open("/etc/hostname", os.O_RDONLY)),
    "write": lambda: os.open("/tmp/parascribe-probe", os.O_WRONLY | os.O_CREAT),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "unlink": lambda: os.unlink("/tmp/parascribe-nothing"),
    "rename": lambda: os.rename("/tmp/parascribe-nothing", "/tmp/parascribe-other"),
    "kill": lambda: os.kill(os.getppid(), 0),
    "ptrace": lambda: None,
    "thread": lambda: threading.Thread(target=int).start(),
    "pipe": lambda: os.pipe(),
    "raise limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "memory": lambda: bytearray(512 << 20) and None,
    "small memory": lambda: bytearray(1 << 20) and None,
}
numbers = {"x86_64": (101, 165, 425, 321), "aarch64": (117, 40, 425, 280)}.get(os.uname().machine, ())
exec(sys.argv[2])
found = {key: name(action) for key, action in probes.items()}
found |= {key: call(number) for key, number in zip(("ptrace", "mount", "io_uring_setup", "bpf"), numbers)}
print(json.dumps(found))
"""


def probe(shut_in: str) -> dict[str, str]:
    """What a process may still do after ``shut_in``, by name: ``ok`` or how it was refused."""
    shut_in = shut_in.replace("PARENT", "os.getppid()")
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(ROOT), shut_in], capture_output=True, check=True, text=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


FORBIDDEN = ["socket", "pair", "open", "open in the place of another", "write", "fork", "exec", "unlink", "rename",
    "kill", "ptrace", "thread", "pipe", "raise limits", "mount", "io_uring_setup", "bpf"]  # fmt: skip


@needs_seccomp
def test_the_filter_alone_refuses_every_way_out() -> None:
    """Files, network, processes, threads, signals, mounts: all answered with EPERM."""
    found = probe("assert sandbox._filter_system_calls()")
    refused = {key: found[key] for key in FORBIDDEN}
    assert refused.pop("thread") == "RuntimeError"
    assert set(refused.values()) == {"EPERM"}, refused
    assert found["small memory"] == "ok"


def test_the_limits_alone_refuse_descriptors_and_memory() -> None:
    """Where there is no filter: no file, no socket, no pipe can be opened, and memory ends at the limit."""
    found = probe("sandbox._limit_resources(60, 256 << 20); del probes['exec'], probes['fork']")
    assert {found[key] for key in ("socket", "pair", "open", "open in the place of another", "pipe")} == {"EMFILE"}
    if sys.platform == "linux":
        assert (found["memory"], found["small memory"]) == ("MemoryError", "ok")


@needs_seccomp
def test_all_layers_are_applied_and_reported() -> None:
    """The list of layers goes into the report of every file."""
    layers = "assert sandbox.apply(cpu_seconds=60, memory_bytes=1 << 30, parent_pid=PARENT) == "
    found = probe(layers + "['rlimits', 'process-flags', 'seccomp']")
    assert "ok" not in {found[key] for key in FORBIDDEN}


@needs_seccomp
def test_without_a_sandbox_the_probes_succeed() -> None:
    """The control: most of these things are possible before."""
    found = probe("del probes['exec'], probes['fork']")
    assert {
        found[key] for key in ("socket", "open", "open in the place of another", "pipe", "thread", "memory", "kill")
    } == {"ok"}
    Path("/tmp/parascribe-probe").unlink(missing_ok=True)


@needs_seccomp
def test_a_foreign_system_call_table_kills(tmp_path: Path) -> None:
    """A number of the x32 table, which means something else by the same numbers, ends the process."""
    if platform.machine() != "x86_64":
        pytest.skip("x32 belongs to x86-64")
    code = "import ctypes, sys; sys.path.insert(0, sys.argv[1]); from core.audio import sandbox as s;"
    code += "libc = ctypes.CDLL(None); s._prctl(38, 1); assert s._filter_system_calls(); libc.syscall(0x40000000 + 39)"
    done = subprocess.run([sys.executable, "-I", "-c", code, str(ROOT)], check=False)
    assert done.returncode == -31  # SIGSYS


def test_the_filter_kills_under_another_architecture() -> None:
    """Before any number is looked at, the architecture is compared and a mismatch killed."""
    program = _program(0xC000_003E, 0)
    instructions = [program[index : index + 8] for index in range(0, len(program), 8)]
    assert instructions[0] == bytes.fromhex("2000000004000000")
    assert instructions[1] == bytes.fromhex("150001003e0000c0")
    assert instructions[2] == bytes.fromhex("0600000000000080")


def test_a_child_without_its_parent_dies() -> None:
    """The parent that it was told of is not its parent any more: it stops before it reads anything."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child of its parent's death")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from core.audio import sandbox; sandbox._die_with_parent(1)"
    done = subprocess.run([sys.executable, "-I", "-c", code, str(ROOT)], check=False)
    assert done.returncode == 1
