"""Threads that compute give way to those that answer."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.niceness import NICER_BY, give_way, session_gives_way
from tests.support.live import ROOT


def priority() -> int:
    """Of the thread that asks."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_only_the_thread_itself_and_those_that_it_starts_give_way():
    """A slot, and the threads of the model that was loaded on one; never the event loop's."""
    ours, theirs = priority(), []
    with ThreadPoolExecutor(1, initializer=give_way) as pool:
        assert pool.submit(priority).result() == min(19, ours + NICER_BY)
        child = threading.Thread(target=lambda: theirs.append(priority()))
        pool.submit(child.start).result()
        child.join()
    assert theirs == [min(19, ours + NICER_BY)]
    assert priority() == ours


LEAD = "import sys; from pathlib import Path; from core.niceness import *; session_gives_way(Path(sys.argv[1]))"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has groups of sessions")
@pytest.mark.parametrize("leads", [True, False])
def test_a_session_gives_way_where_it_is_the_workers_own(tmp_path, leads):
    """A shell's other programs are not slowed down."""
    told = tmp_path / "autogroup"
    command = [sys.executable, "-c", LEAD, str(told)]
    subprocess.run(command, cwd=ROOT, check=True, start_new_session=leads)
    assert told.exists() is leads
    assert not leads or told.read_text() == str(NICER_BY)


def test_a_kernel_that_knows_no_groups_is_no_error(tmp_path):
    """Nor a container that may not write there."""
    session_gives_way(tmp_path / "missing" / "autogroup")
