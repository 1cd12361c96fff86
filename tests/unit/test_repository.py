"""What must hold of the repository itself."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ;\\]+)")


def pins(path: Path) -> dict[str, str]:
    """Name to version."""
    found = (PIN.match(line) for line in path.read_text().splitlines())
    return {match[1]: match[2] for match in found if match}


def test_folder_cmd_does_not_hide_the_standard_library():
    """With the repository first on the path, `import cmd` (pdb needs it) is still the standard library's."""
    assert not list((ROOT / "cmd").rglob("__init__.py"))
    code = "import sys; sys.path.insert(0, sys.argv[1]); import cmd; print(cmd.Cmd.__name__)"
    done = subprocess.run([sys.executable, "-c", code, ROOT], capture_output=True, text=True, check=True)
    assert done.stdout == "Cmd\n"


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_hold_pins_and_hashes_alone(path):
    """No index, link or file address is written down, and every pin has hashes."""
    lines = path.read_text().splitlines()
    odd = [
        line
        for line in lines
        if not PIN.match(line) and not re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
    ]
    assert odd == []
    assert all(lines[number + 1].startswith("    --hash") for number, line in enumerate(lines) if PIN.match(line))
    assert pins(path)


def test_locks_agree():
    """What all three name has one version, so that they can be installed into one environment."""
    runtime, build, dev = (pins(ROOT / f"requirements{part}.txt") for part in ("", "-build", "-dev"))
    assert runtime.items() <= dev.items()
    assert build.items() <= dev.items()


def test_locks_satisfy_the_project():
    """A dependency that was added or raised without `make lock` is found."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"]
    runtime = project["project"]["dependencies"] + extras["models"]
    dev = runtime + extras["tiny-en"] + groups["test"] + groups["lint"]
    for path, wanted in ((ROOT / "requirements.txt", runtime), (ROOT / "requirements-dev.txt", dev)):
        locked = pins(path)
        missing = [
            text
            for text in wanted
            if not Requirement(text).specifier.contains(locked[Requirement(text).name], prereleases=True)
        ]
        assert missing == []


def test_sample_is_small_and_told():
    """Real speech below 2 MB, with its text."""
    assert (ROOT / "samples" / "printing.ogg").stat().st_size < 2_000_000
    assert len((ROOT / "samples" / "printing.txt").read_text().split()) > 500
