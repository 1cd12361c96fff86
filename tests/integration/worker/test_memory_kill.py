"""A worker that the kernel kills for want of memory, for real."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.private.memory_limit import memory_limit, missing
from tests.support.live import ROOT
from worker.runfiles import Cause, Death, find_dead

GREEDY = """
import sys
from pathlib import Path
from worker.runfiles import RunFile
file = RunFile(Path(sys.argv[1]), "greedy")
bytes(bytearray(b"x") * (1 << 30))
"""


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_what_needed_more_memory_than_there_is_gets_the_blame(tmp_path):
    """Below a limit as a container has it."""
    with memory_limit(128) as prefix:
        assert Path(prefix[0]).is_absolute()  # as the tether wants it, which looks for nothing on the path
        command = [*prefix, sys.executable, "-c", GREEDY, str(tmp_path)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    assert find_dead(tmp_path, but="me") == [Death(worker_id="greedy", cause=Cause.MEMORY)]
