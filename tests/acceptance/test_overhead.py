"""What the product costs beside its engine: `python -m benchmarks.overhead`."""

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

MOST_PERCENT = 5.0


def overhead(*options: str) -> list[dict]:
    """What the command prints, a line each; it must leave with 0."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_both_ways_transcribe_the_same_windows():
    """With an engine that is instant: both figures, what the difference is made of, and one text."""
    turn, summary = overhead("--engine", "fake", "--minutes", "1", "--repeat", "1")
    assert summary["same_text"]
    assert summary["windows"] > 1
    assert summary["product_seconds"] > summary["engine_seconds"] > 0
    assert summary["overhead_percent"] == turn["overhead_percent"]
    assert all(summary["product_cpu_seconds"][name] > 0 for name in ("worker", "api", "database"))


@pytest.mark.slow
def test_the_product_costs_little():
    """30 minutes of speech with the real model, on a machine that does nothing else."""
    *turns, summary = overhead()
    print(summary)  # noqa: T201 - the figure
    assert len(turns) == 3
    assert summary["same_text"]
    assert summary["overhead_percent"] <= MOST_PERCENT
