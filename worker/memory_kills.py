"""How often the kernel of this machine has ended a process because memory ran short."""

from pathlib import Path

VMSTAT = Path("/proc/vmstat")


def memory_kills(path: Path = VMSTAT) -> int:
    """Since the machine started, in whichever container; 0 where the system does not tell."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
