"""A short file does not wait for a long one, and the long one shows its first words soon."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from tests.support.audio import wav
from tests.support.live import Service, until
from tests.support.sounds import joined, repeated, spoken

HOURS = 3
FIRST_CHUNK_SECONDS = 15.0
SHORT_SECONDS = 10.0  # length of the short file, and what it may take beside one batch
IN_SLOTS = 2 * 4  # chunks that are being transcribed at a time: slots of the service, chunks in a batch


@dataclass(frozen=True, kw_only=True)
class Busy:
    """A service in the middle of a long file: how long after the upload its first chunk was done."""

    service: Service
    task_id: str
    first_chunk_seconds: float

    def completed(self) -> int:
        """How many chunks of the long file are done."""
        return int(self.service.task(self.task_id)["chunks_completed"])


@pytest.fixture(scope="module")
def busy(real: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    speech, _ = joined(spoken() * 2, [0.8, 1.4] * 5)
    path = repeated(tmp_path_factory.mktemp("busy") / "long.wav", speech, HOURS * 3600)
    task_id = real.upload(path, path.name)
    start = time.monotonic()
    until(lambda: real.task(task_id), lambda task: task["chunks_completed"] > 0, 120)
    yield Busy(service=real, task_id=task_id, first_chunk_seconds=time.monotonic() - start)
    assert real.http.delete(f"/api/v1/tasks/{task_id}").status_code == 204


def test_the_first_chunk_of_three_hours_is_done_soon(busy: Busy) -> None:
    """Transcription starts while most of the file is still to be decoded: 15 s after the upload at most."""
    print(f"first chunk of {HOURS} h after {busy.first_chunk_seconds:.1f} s")  # noqa: T201 - the figure
    assert busy.first_chunk_seconds <= FIRST_CHUNK_SECONDS


def test_a_short_file_overtakes_a_long_one(busy: Busy) -> None:
    """Ten seconds of speech are done within ten seconds and one batch, though every slot is busy with three hours."""
    batch = _batch_seconds(busy)
    speech, _ = joined([spoken()[index] for index in (0, 1)], [0.0, 0.3])
    clip = np.pad(speech, (0, max(0, 160_000 - len(speech))))[:160_000]
    start = time.monotonic()
    task = busy.service.transcribe(wav(clip), "short.wav", 120)
    took = time.monotonic() - start
    assert busy.service.task(busy.task_id)["status"] == "processing"
    assert task["chunks_completed"] > 0
    print(f"10 s of speech took {took:.1f} s; a batch takes {batch:.1f} s")  # noqa: T201 - the figure
    assert took <= SHORT_SECONDS + batch


def _batch_seconds(busy: Busy) -> float:
    """How long a batch takes, from the rate at which chunks are done while all slots are full."""
    first = int(until(busy.completed, lambda count: count >= IN_SLOTS, 120))
    start = time.monotonic()
    last = int(until(busy.completed, lambda count: count >= first + IN_SLOTS, 300))
    return (time.monotonic() - start) * IN_SLOTS / (last - first)
