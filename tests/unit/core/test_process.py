"""How a process of ours begins."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.live import ROOT

SETTLED = """
import gc
import api.app
from core.process import settle
class Garbage: pass
settle()
assert gc.get_freeze_count() > 10_000
kept = len(gc.get_objects())
garbage = Garbage()
garbage.itself = garbage
del garbage
assert gc.collect() >= 1
assert kept < 10_000
"""


LATE = """
import asyncio, os, signal
from contextlib import asynccontextmanager
from core import process

process.LEAVING_SECONDS, process.CLOSING_SECONDS = 1.0, 0.5

@asynccontextmanager
async def there(settings, stop):
    yield object()
    await asyncio.Event().wait()

async def body(settings, resources, stop):
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    await asyncio.sleep(0.8)

process.resources_when_there = there
process.run(body)
"""


def test_what_was_built_at_the_start_is_not_collected_again():
    """Only what comes later is looked at, and garbage among that still goes."""
    subprocess.run([sys.executable, "-c", SETTLED], cwd=ROOT, check=True)


def test_what_was_done_in_the_last_moment_was_done(tmp_path: Path) -> None:
    """A database that is frozen is still being closed when the time to leave is over: the process has left in order."""
    env = {**os.environ, "SHUTDOWN_GRACE_SECONDS": "0", "DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LATE], cwd=ROOT, env=env, check=False, timeout=30)
    assert done.returncode == 0
