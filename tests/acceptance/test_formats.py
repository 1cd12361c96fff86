"""What people really have: every common container and codec, and sound with pictures."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers_audio import encode
from tests.support.live import Service
from tests.support.sounds import spoken
from tests.support.wer import word_error_rate

FORMATS: dict[str, dict[str, Any]] = {
    "speech.wav": {"codec": "pcm_s16le"},
    "speech.flac": {"codec": "flac", "rate": 44_100, "layout": "stereo"},
    "speech.mp3": {"codec": "libmp3lame", "rate": 44_100, "layout": "stereo"},
    "speech.m4a": {"codec": "aac", "rate": 44_100, "layout": "stereo"},
    "speech.aac": {"codec": "aac", "rate": 44_100},
    "speech.ogg": {"codec": "libopus", "rate": 48_000},
    "speech.webm": {"codec": "libopus", "rate": 48_000, "layout": "stereo"},
    "film.mp4": {"codec": "aac", "rate": 48_000, "layout": "stereo", "video": "libx264"},
    "telephone.wav": {"codec": "pcm_mulaw", "rate": 8_000},
    "eight-microphones.wav": {"codec": "pcm_s16le", "rate": 48_000, "layout": "7.1"},
    "studio.wav": {"codec": "pcm_s24le", "rate": 96_000},
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_heard(real: Service, tmp_path: Path, name: str) -> None:
    """The words of the clip, one in eight wrong at most, and its length to 0.15 s."""
    clip = spoken()[2]
    task = real.transcribe(encode(tmp_path / name, clip.pcm, **FORMATS[name]), name, language="en")
    assert task["duration_seconds"] == pytest.approx(len(clip.pcm) / 16_000, abs=0.15)
    assert word_error_rate(clip.words, real.text(task["task_id"])) <= 0.125
