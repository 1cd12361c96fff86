"""Memory does not grow with the audio: not while it comes in, and not while it is decoded, cut and transcribed."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers_audio import noise
from tests.support.live import Service, resident, serving
from tests.support.peak import peak_during
from tests.support.sounds import blocks_of_wav, joined, repeated, spoken

SHORT, LONG = 600.0, 3 * 3600.0  # seconds of audio
MOST_FOR_LENGTH, MOST_FOR_UPLOAD = 150_000_000, 30_000_000  # bytes
UPLOAD_BYTES = 2_000_000_000


@pytest.mark.parametrize("engine", ["fake", pytest.param("faster-whisper", marks=pytest.mark.slow)])
def test_three_hours_need_hardly_more_memory_than_ten_minutes(tmp_path: Path, engine: str) -> None:
    """Resident memory of app and decoder at its highest: at most 150 MB above that for ten minutes."""
    speech, _ = joined(spoken() * 2, [0.8, 1.4] * 5)
    with serving(tmp_path, engine=engine, max_parallel_workers=2) as service:
        short, long = (_peak(service, repeated(tmp_path / "long.wav", speech, length)) for length in (SHORT, LONG))
    print(f"{engine}: {short / 1e6:.0f} MB for 10 min, {long / 1e6:.0f} MB for 3 h")  # noqa: T201 - the figure
    assert long - short <= MOST_FOR_LENGTH


@pytest.mark.slow
def test_a_large_upload_is_never_held_in_memory(tmp_path: Path) -> None:
    """Two gigabytes come in while the app grows by less than 30 MB."""
    with serving(tmp_path, engine="fake") as service:
        service.transcribe(blocks(1_000_000), "warm.wav", language="en")
        app = service.app
        before = resident(app)
        with peak_during(lambda: resident(app)) as peak:
            task_id = service.upload(blocks_of_wav(UPLOAD_BYTES, _block()), "large.wav", language="en")
        service.http.delete(f"/api/v1/tasks/{task_id}")
    print(f"{peak.bytes - before:,} bytes more while 2 GB came in")  # noqa: T201 - the figure
    assert peak.bytes - before < MOST_FOR_UPLOAD


def blocks(size: int) -> bytes:
    """A WAV of noise."""
    return b"".join(blocks_of_wav(size, _block()))


def _block() -> bytes:
    return noise(32.768).astype(np.int16).tobytes()


def _peak(service: Service, path: Path) -> int:
    with peak_during(service.resident_bytes) as peak:
        service.transcribe(path, path.name, 1500, language="en")
    return peak.bytes
