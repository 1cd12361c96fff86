"""A worker takes work soon after its start: `python -m benchmarks.start`."""

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

MOST_SECONDS = 5.0  # with warm caches


def test_a_worker_is_ready_soon_after_its_start():
    """With the real model: it consumes, and has transcribed what was waiting for it soon after that."""
    command = [sys.executable, "-m", "benchmarks.start", "--json", "--repeat", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *starts, summary = [json.loads(line) for line in done.stdout.splitlines()]
    print(summary)  # noqa: T201 - the figures
    assert len(starts) == 3
    assert summary["ready_seconds"] < MOST_SECONDS
    assert summary["first_text_seconds"] < 2 * MOST_SECONDS
