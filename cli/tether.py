"""Run a program that dies with its parent: ``python -P -m cli.tether PARENT_PID PROGRAM ARGUMENT…``.

A ``preexec_fn`` would run Python between fork and exec, which is unsafe in a process with threads. A program of its own
that ties itself to its parent and then becomes the real one has no such hour of danger.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; the tie survives exec, see prctl(2)


def main() -> None:
    """Tie, check that the parent still lives, become the program."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the tie was made
            raise SystemExit(f"The process that asked for {command[0]} is gone.")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted: the command is our own list of arguments


def tethered(command: tuple[str, ...]) -> tuple[str, ...]:
    """``command`` so that it dies with this process. Where the platform cannot do that, it just runs."""
    return (sys.executable, "-P", "-m", "cli.tether", str(os.getpid()), *command)


if __name__ == "__main__":
    main()
