"""A memory limit that the kernel keeps by killing, as a container has it.

A control group of our own; Linux, as root.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

ROOT = Path("/sys/fs/cgroup")
ENTER = 'echo $$ > "$0" && exec "$@"'
# Each file with what is written into it; those of the other version are not there.
LIMITS = ("memory.max", "memory.limit_in_bytes")
NO_SWAP = {"memory.swap.max": "0", "memory.swappiness": "0"}


def missing() -> str | None:
    """Why there can be none here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a memory limit needs Linux and root"
    try:
        with memory_limit(64):
            return None
    except OSError as error:
        return f"no control group can be made here ({error.strerror})"


@contextmanager
def memory_limit(megabytes: int) -> Iterator[tuple[str, ...]]:
    """What a command has to begin with to run below it; all that have it share it. Raises ``OSError``."""
    group = _own() / f"parascribe-{uuid4().hex[:8]}"
    group.mkdir()
    try:
        _limit(group, megabytes << 20)
        yield ("/bin/sh", "-c", ENTER, str(group / "cgroup.procs"))
    finally:
        group.rmdir()  # whoever was in it has ended


def _limit(group: Path, size: int) -> None:
    limit = next((group / name for name in LIMITS if (group / name).exists()), None)
    if limit is None:
        raise FileNotFoundError(2, "memory is not controlled here")
    limit.write_text(str(size))
    for name, value in NO_SWAP.items():
        if (group / name).exists():
            (group / name).write_text(value)


def _own() -> Path:
    """The group that memory is controlled in: of the first version, else of the second one."""
    groups = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    if "memory" in groups:
        return ROOT / "memory" / groups["memory"].lstrip("/")
    return ROOT / groups.get("", "/").lstrip("/")
