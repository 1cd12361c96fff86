"""Versions below which known holes are open."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

FLOORS = {
    "starlette": "1.6",
    "python-multipart": "0.0.32",
    "h11": "0.16",
    "av": "17.1",
    "pymongo": "4.13",
}
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize("name", FLOORS)
def test_neither_the_declared_nor_the_installed_version_is_below_the_floor(name: str) -> None:
    """The floor is what the advisories need; one version below it must not satisfy the declaration."""
    lines = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    declared = next(found for found in map(Requirement, lines) if found.name == name)
    lowest = min(Version(found.version) for found in declared.specifier if found.operator in {">=", "==", "~="})
    assert lowest >= Version(FLOORS[name])
    assert Version(version(name)) >= Version(FLOORS[name])
