"""Who on this machine is dead, and of what."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worker.memory_kills import memory_kills
from worker.runfiles import HEADER, Cause, Death, RunFile, find_dead, forget

HOLD = """
import sys, os, signal
from pathlib import Path
from worker.runfiles import RunFile
file = RunFile(Path(sys.argv[1]), "other")
print("here", flush=True)
sys.stdin.readline()
if sys.argv[2] == "blame":
    file.blame("hung")
    os._exit(70)
if sys.argv[2] == "close":
    file.close()
    sys.exit(0)
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.fixture
def other(tmp_path: Path):
    """Starts another process with a run file and ends it in the way named."""
    started = []

    def start(way: str) -> subprocess.Popen:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path, way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[3],
        )
        started.append(child)
        assert child.stdout.readline() == b"here\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def end(child: subprocess.Popen) -> None:
    """Let it die in its way."""
    child.stdin.write(b"\n")
    child.stdin.flush()
    child.wait()


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        (str(int(signal.SIGKILL)), Cause.OUTSIDE),
        (str(int(signal.SIGSEGV)), Cause.CRASHED),
        (str(int(signal.SIGABRT)), Cause.CRASHED),
        ("blame", Cause.CRASHED),
    ],
)
def test_a_dead_worker_is_found_with_its_cause(tmp_path, other, way, cause):
    """Killed from outside is nobody's fault; a native crash and a hang are its work's."""
    child = other(way)
    assert find_dead(tmp_path, but="me") == []
    end(child)
    assert find_dead(tmp_path, but="me") == [Death(worker_id="other", cause=cause)]


def test_who_was_killed_when_memory_ran_short_is_told_apart(tmp_path, other):
    """The kernel has killed once more than when the worker last looked."""
    end(other("9"))
    with (tmp_path / "other.run").open("r+b") as file:
        file.write(HEADER % (memory_kills() - 1))
    assert find_dead(tmp_path, but="me") == [Death(worker_id="other", cause=Cause.MEMORY)]


async def test_kills_of_others_are_not_ones_own(tmp_path):
    """The count is kept up to date while the worker lives."""
    own = RunFile(tmp_path, "me")
    os.pwrite(own._file.fileno(), HEADER % -1, 0)
    watching = asyncio.create_task(own.watch())
    await asyncio.sleep(0)
    assert (tmp_path / "me.run").read_bytes() == HEADER % memory_kills()
    watching.cancel()
    own.close()


def test_kills_are_read_where_the_system_tells_them(tmp_path):
    """And are none elsewhere."""
    file = tmp_path / "vmstat"
    assert memory_kills(file) == 0
    file.write_text("pgfault 12\noom_kill 3\n")
    assert memory_kills(file) == 3


def test_a_paused_worker_is_not_dead(tmp_path, other):
    """It keeps its lock, so nothing is taken from it by this way."""
    child = other("close")
    os.kill(child.pid, signal.SIGSTOP)
    assert find_dead(tmp_path, but="me") == []
    os.kill(child.pid, signal.SIGCONT)


def test_who_leaves_in_order_leaves_no_file(tmp_path, other):
    """There is nothing to take over."""
    end(other("close"))
    assert list(tmp_path.iterdir()) == []


def test_a_death_is_found_until_it_is_forgotten(tmp_path, other):
    """A sweep that fails half-way is done again."""
    end(other("9"))
    (death,) = find_dead(tmp_path, but="me")
    assert find_dead(tmp_path, but="me") == [death]
    forget(tmp_path, death)
    forget(tmp_path, death)
    assert find_dead(tmp_path, but="me") == []


def test_ones_own_file_is_passed_over(tmp_path):
    """A process does not bury itself, though it could lock its own file again."""
    own = RunFile(tmp_path, "me")
    assert find_dead(tmp_path, but="me") == []
    own.close()
