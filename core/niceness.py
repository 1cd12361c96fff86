"""What computes gives way to what answers: heartbeats and polls stay prompt while all cores are busy."""

import contextlib
import os
import sys
import threading
from pathlib import Path

NICER_BY = 10  # a tenth of the processor time of one who wants it at the same moment
LEAST_URGENT = 19
AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Lower this thread's priority, and that of the threads that it will start. Only Linux knows it for threads."""
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(LEAST_URGENT, now + NICER_BY))


def session_gives_way(autogroup: Path = AUTOGROUP) -> None:
    """The same for a worker that leads a session of its own, as services do.

    Linux shares the processors among sessions first, and compares threads only within one: there the threads' own
    priority says nothing about an API beside this worker (sched(7), "The autogroup feature"). A session that is not
    ours alone is left as it is.
    """
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without it, or a container that may not
            autogroup.write_text(str(NICER_BY))
