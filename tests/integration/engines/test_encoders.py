"""The encoders: the trial that compares them, and slots that do not wait for each other."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.config import Settings
from core.engines.ct2_file import read_weights
from core.engines.encoder_choice import _PROGRAM, _ROOT
from core.engines.encoder_trial import LONG_SECONDS, best_of_rounds, compare
from core.engines.model_files import ModelFiles
from core.engines.openvino_encoder import OpenVinoEncoder
from core.engines.registry import model_store


@pytest.fixture(scope="module")
def files(models_dir: Path) -> ModelFiles:
    return model_store(Settings(models_dir=models_dir)).find("tiny.en")


def test_all_encoders_are_timed(files: ModelFiles) -> None:
    """On one window each, a few times."""
    seconds = compare(files, "int8")
    assert set(seconds) == {"openvino", "ctranslate2", "compiled"}
    assert all(0 < each < 60 for each in seconds.values())


def test_a_slow_start_says_nothing_about_speed() -> None:
    """Kernels that are compiled first, a graph that is laid out at the first call."""
    calls: list[np.ndarray] = []

    def slow_to_start(mel: np.ndarray) -> None:
        time.sleep(0 if calls else LONG_SECONDS)
        calls.append(mel)

    def steady(_: np.ndarray) -> None:
        time.sleep(0.05)

    seconds = best_of_rounds({"slow_to_start": slow_to_start, "steady": steady}, np.zeros((1, 80, 3000), np.float32))
    assert seconds["slow_to_start"] < seconds["steady"]


def test_the_trial_ends_when_who_asked_has_gone(files: ModelFiles) -> None:
    """The end of its standard input tells it."""
    command = [sys.executable, "-P", "-c", _PROGRAM, str(_ROOT), str(files.path), "int8"]
    held, alive = os.pipe()
    with subprocess.Popen(command, stdin=held, stdout=subprocess.PIPE) as trial:
        os.close(held)
        os.close(alive)
        assert trial.stdout is not None
        assert trial.stdout.read() == b""
        assert trial.wait(60) == 1


def test_slots_encode_at_the_same_time(files: ModelFiles) -> None:
    """Each gets its own window's sound, and one does not wait in the other's stream."""
    encoder = OpenVinoEncoder(read_weights(files.weights), None, streams=2, keys=False)
    mels = [np.full((1, encoder.mels, 2 * encoder.frames), value, np.float32) for value in (-1.0, 0.5)]
    alone = [encoder.project(mel)[0].copy() for mel in mels]
    found: dict[int, bool] = {}

    def work(index: int) -> None:
        found[index] = all((encoder.project(mels[index])[0] == alone[index]).all() for _ in range(10))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: True, 1: True}
