"""Times that can be trusted: clips at known places are found there, after hours as in the first minute.

The truth is the moment at which somebody begins to speak in a clip, found by energy alone (tests/support/sounds.py).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.helpers_audio import write_wav
from tests.support.live import Json, Service
from tests.support.sounds import Placed, joined, scattered, spoken
from tests.support.words import pairs

GAPS = (0.7, 1.3, 2.6, 0.5, 4.0, 1.0, 1.9)  # seconds; longer than 2 s ends a window, shorter ones lie inside
HOURS, EVERY_SECONDS = 3, 600
MEDIAN, MOST = 0.15, 0.5  # seconds


def test_clips_with_pauses_between_them_start_when_they_start(real: Service, tmp_path: Path) -> None:
    """Over 30 clips: half of the errors at most 0.15 s, 95 of 100 at most 0.5 s, for segments and for words."""
    clips = spoken() * 6
    pcm, places = joined(clips, [GAPS[index % len(GAPS)] for index in range(len(clips))])
    transcript = _transcript(real, write_wav(tmp_path / "joined.wav", pcm))
    _check(_segment_errors(transcript, places), "segments", of=len(places))
    _check(_word_errors(transcript, places), "words", of=len(places))


@pytest.fixture(scope="module")
def long(real: Service, tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, list[Placed]]:
    """Two clips every ten minutes for three hours, nothing between them."""
    pieces, places = [], []
    for start in range(0, HOURS * 3600, EVERY_SECONDS):
        pcm, found = joined([spoken()[start // EVERY_SECONDS % 5], spoken()[1]], [5.0, 1.0])
        pieces.append((float(start), pcm))
        places += [Placed(onset=place.onset + start, words=place.words) for place in found]
    path = scattered(tmp_path_factory.mktemp("long") / "long.wav", pieces, HOURS * 3600)
    return _transcript(real, path), places


def test_three_hours_bring_no_drift(long: tuple[Json, list[Placed]]) -> None:
    """Clips every ten minutes keep the same bounds, and the last hour is no worse than the first."""
    transcript, places = long
    errors = _segment_errors(transcript, places)
    _check(errors, "segments", of=len(places))
    _check(_word_errors(transcript, places), "words", of=len(places))
    third = len(errors) // 3
    assert abs(np.median(errors[-third:]) - np.median(errors[:third])) <= 0.1


def _transcript(service: Service, path: Path) -> Json:
    task = service.transcribe(path, path.name, 600, word_timestamps="true", language="en")
    document: Json = service.transcript(task["task_id"])
    return document


def _segment_errors(transcript: Json, places: Sequence[Placed]) -> list[float]:
    """Seconds from each place to the segment that starts nearest to it."""
    starts = np.array([segment["start"] for segment in transcript["segments"]])
    return [float(np.abs(starts - place.onset).min()) for place in places]


def _word_errors(transcript: Json, places: Sequence[Placed]) -> list[float]:
    """Seconds from each place to the first word that was said there, where that word was heard right."""
    said = [word for place in places for word in place.words.split()]
    found = pairs(said, [word["word"] for word in transcript["words"]])
    errors, first = [], 0
    for place in places:
        if first in found:
            errors.append(abs(transcript["words"][found[first]]["start"] - place.onset))
        first += len(place.words.split())
    return errors


def _check(errors: Sequence[float], what: str, *, of: int) -> None:
    median, high = float(np.median(errors)), float(np.percentile(errors, 95))
    print(f"{what}: {len(errors)} of {of} places, median {median:.3f} s, 95 % {high:.3f} s, most {max(errors):.3f} s")  # noqa: T201 - the figure that the documentation names
    assert len(errors) >= 0.9 * of
    assert median <= MEDIAN
    assert high <= MOST
