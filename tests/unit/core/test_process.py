"""How a process of ours begins."""

import subprocess
import sys

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


def test_what_was_built_at_the_start_is_not_collected_again():
    """Only what comes later is looked at, and garbage among that still goes."""
    subprocess.run([sys.executable, "-c", SETTLED], cwd=ROOT, check=True)
