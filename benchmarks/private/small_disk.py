"""A disk of a few megabytes for some processes: a tmpfs in a mount namespace of their own. Linux, as root."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Says when it is mounted, then holds the namespace until we close its input.
HOLDER = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && echo mounted && read -r _'


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallDisk:
    """``prefix``: what a command has to begin with to see it; ``folder``: where we see it."""

    prefix: tuple[str, ...]
    folder: Path

    def fill(self, leave_bytes: int) -> None:
        """Take all but so many bytes."""
        with (self.folder / "filler").open("wb") as file:
            while True:
                try:
                    os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(self.folder).free - leave_bytes))
                except OSError:  # somebody was faster
                    continue
                return

    def free(self) -> None:
        """Give them back."""
        (self.folder / "filler").unlink(missing_ok=True)


def missing() -> str | None:
    """Why there can be none here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a small disk needs Linux and root"
    tools = [tool for tool in ("unshare", "nsenter") if shutil.which(tool) is None]
    return f"{tools[0]} is missing" if tools else None


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mounted on ``folder`` for those who begin with ``prefix``, gone after the block."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", HOLDER, "holder", str(megabytes), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != b"mounted\n":
            raise RuntimeError("a tmpfs cannot be mounted here")
        nsenter = str(shutil.which("nsenter"))
        prefix = (nsenter, f"--mount=/proc/{holder.pid}/ns/mnt", f"--wdns={folder.parent}", "--")
        yield SmallDisk(prefix=prefix, folder=Path(f"/proc/{holder.pid}/root{folder}"))
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()
