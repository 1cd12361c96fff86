"""The voice detector's first use, by several threads at once."""

import subprocess
import sys

from tests.support.live import ROOT

FIRST = """
import threading
import numpy as np
from core.audio.vad import StreamingVad
together = threading.Barrier(4)
def use():
    vad = StreamingVad()
    together.wait()
    vad.feed(np.ones(512 * 256, dtype=np.int16))
threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_come_first_together_do_not_wait_for_each_other_for_ever():
    """A process that hung here would not even leave."""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", FIRST], cwd=ROOT, check=True, timeout=60)
