"""Audio with nothing to transcribe: completed, no invented text, every second accounted for."""

from pathlib import Path

import numpy as np
import pytest

from core.models import SAMPLE_RATE, Pcm
from tests.helpers_audio import silence, write_wav
from tests.support.live import Json, Service
from tests.support.sounds import mains_hum, music, pink_noise, spoken, white_noise

SOUNDS = {"white noise": white_noise, "pink noise": pink_noise, "mains hum": mains_hum, "music": music}
SECONDS = 60


@pytest.mark.parametrize("seconds", [SECONDS, 0.2])
def test_silence_is_an_empty_text(real: Service, tmp_path: Path, seconds: float) -> None:
    """Not one word, and all of it silent."""
    task = _done(real, tmp_path, silence(seconds))
    assert real.text(task["task_id"]) == ""
    assert task["coverage"]["silent_seconds"] == pytest.approx(seconds)


@pytest.mark.parametrize("name", SOUNDS)
def test_noise_is_nearly_an_empty_text(real: Service, tmp_path: Path, name: str) -> None:
    """At most one word a minute, whatever the sound."""
    task = _done(real, tmp_path, SOUNDS[name](SECONDS))
    assert len(real.text(task["task_id"]).split()) <= 1


@pytest.mark.parametrize("samples", [1, 160, SAMPLE_RATE // 5])
def test_a_clip_too_short_for_a_word_completes(real: Service, tmp_path: Path, samples: int) -> None:
    """One sample, 10 ms and 0.2 s out of the middle of a word."""
    clip = spoken()[0]
    first = round((clip.onset + 0.1) * SAMPLE_RATE)
    task = _done(real, tmp_path, clip.pcm[first : first + samples])
    assert len(real.text(task["task_id"]).split()) <= 1


def test_speech_after_a_minute_of_noise_is_heard(real: Service, tmp_path: Path) -> None:
    """What keeps noise out does not keep words out."""
    clip = spoken()[2]
    task = _done(real, tmp_path, np.concatenate([pink_noise(SECONDS) // 10, clip.pcm]))
    assert "cold" in real.text(task["task_id"])


def _done(service: Service, folder: Path, pcm: Pcm) -> Json:
    """Completed, with a coverage that adds up, and a transcript in every format."""
    task = service.transcribe(write_wav(folder / "sound.wav", pcm), "sound.wav")
    covered = task["coverage"]
    assert sum(covered.values()) == pytest.approx(task["duration_seconds"], abs=0.0015)  # told in milliseconds
    assert task["duration_seconds"] == pytest.approx(len(pcm) / SAMPLE_RATE, abs=0.0005)
    assert covered["failed_seconds"] == 0
    for form in ("json", "verbose_json", "text", "srt", "vtt", "tsv"):
        service.transcript(task["task_id"], form)
    return task
