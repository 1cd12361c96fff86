"""`parascribe demo` as a process, with the fake engine: it shows the way from a file to a text and leaves nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.test_supervisor import alive, descendants, until

DEMO = (sys.executable, "-P", "-m", "cli.main", "demo")
CLIP = Path(__file__).parents[1] / "data" / "librivox-0880.wav"


@pytest.fixture
def demo(tmp_path):
    """Starts the demo with a temporary directory of its own."""
    started = []
    environment = {"TMPDIR": str(tmp_path), "ENGINE": "fake", "LOG_FORMAT": "json", "MODELS_DIR": str(tmp_path.parent)}

    def start(*arguments):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*DEMO, *arguments], env={**os.environ, **environment}, cwd=tmp_path, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def left_behind() -> list[psutil.Process]:
    """Our descendants that still run; the session's database server is none of the demo's."""
    return [one for one in alive(descendants(os.getpid())) if "parascribe-demo-" in " ".join(one.cmdline())]


def test_demo_prints_the_text_and_leaves_nothing(demo, tmp_path):
    """Exit code 0, text on standard output, progress and coverage on standard error; no file, no process.

    No file: that includes the session file of ONNX Runtime's telemetry, which must be off.
    """
    process = demo("--file", str(CLIP))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.strip()
    assert "1/1 chunks" in err
    assert "s transcribed" in err
    assert list(tmp_path.iterdir()) == []
    assert not left_behind()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_cleans_up_when_it_is_interrupted(demo, tmp_path, number):
    """Ctrl-C while the service starts: everything is taken away again."""
    process = demo("--file", str(CLIP))
    until(lambda: len(descendants(process.pid)) >= 2)
    family = descendants(process.pid)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert not alive(family)


def test_a_service_that_cannot_start_is_told_with_its_last_words(demo, tmp_path, monkeypatch):
    """The service's own sentence is shown, not a time-out."""
    monkeypatch.setenv("BEAM_SIZE", "many")
    process = demo("--file", str(CLIP))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "BEAM_SIZE" in err
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_is_not_there_is_told(demo):
    """Before anything starts."""
    process = demo("--file", "nowhere.ogg")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "nowhere.ogg" in err
