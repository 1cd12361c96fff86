"""The distributed form on a real broker, broken on a seeded schedule: `python -m benchmarks.chaos --quick`."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.private.rabbit import installed
from tests.support.live import ROOT

pytestmark = pytest.mark.skipif(
    not installed() and not os.environ.get("CI"), reason="needs RabbitMQ (Debian: apt install rabbitmq-server)"
)


def chaos(*options: str) -> list[dict]:
    """What the command prints, a line each; it must leave with 0."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--quick", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    broken = [line for line in done.stdout.splitlines() if '"ok": false' in line]
    assert done.returncode == 0, "\n".join([*broken, done.stderr[-6000:]])
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_that_was_accepted_is_lost():
    """Every scenario of the quick form keeps its promises and its figures."""
    *outcomes, summary = chaos()
    assert summary["ok"]
    assert (summary["lost"], summary["duplicated"]) == (0, 0)
    assert {"worker-kill", "api-kill", "broker-kill", "broker-wipe", "zombies"} <= {one["scenario"] for one in outcomes}


def test_every_guard_is_needed():
    """With the fence, the sweeper, the watchdog or the confirms switched off, the scenario that it guards fails."""
    *outcomes, summary = chaos("--guards")
    assert summary["ok"]
    assert {one["guard"] for one in outcomes} == {"fence", "sweeper", "watchdog", "confirms"}
