"""Cuts through speech, where nobody pauses for half a minute: every word once.

What is compared is the same clips heard one by one, with pauses between them, so that a word which the model gets wrong
anyway does not count. A word counts where it is lost or surplus within two seconds of a cut.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.models import SAMPLE_RATE, Pcm
from tests.helpers_audio import write_wav
from tests.support.live import Json, Service
from tests.support.sounds import spoken, trimmed
from tests.support.words import Difference, differences

NEAR_SECONDS = 2.0
CUTS_PER_ERROR = 10


@pytest.mark.parametrize("minutes", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_forced_cuts_neither_lose_nor_double_words(real: Service, tmp_path: Path, minutes: int) -> None:
    """At most one word for ten cuts."""
    order = _order(minutes * 60)
    alone = _alone(real, tmp_path)
    expected = [word for index in order for word in alone[index]]
    task, words = _heard(real, tmp_path / "squeezed.wav", np.concatenate([_squeezed()[index] for index in order]))
    cuts = _forced_cuts(real.chunks(task["task_id"]))
    found = [one for one in differences(expected, words) if _is_near(one, cuts)]
    print(f"{minutes} min: {len(cuts)} forced cuts, {len(found)} words lost or surplus at them: {found}")  # noqa: T201 - the figure
    assert len(cuts) >= 2 * minutes
    assert len(found) <= len(cuts) / CUTS_PER_ERROR


def _squeezed() -> list[Pcm]:
    """The clips with every pause taken out."""
    return [trimmed(one.pcm) for one in spoken()]


def _order(seconds: float) -> list[int]:
    """Which clip follows which: one after the other, again and again, until there is enough.

    So that hardly any window holds the same sentence twice: Whisper leaves out what it has just said, cut or no cut.
    """
    lengths = [len(clip) for clip in _squeezed()]
    rounds = math.ceil(seconds * SAMPLE_RATE / sum(lengths))
    return list(range(len(lengths))) * rounds


def _alone(service: Service, folder: Path) -> list[list[str]]:
    """What is heard of each clip when there is nothing else."""
    heard = []
    for index, clip in enumerate(_squeezed()):
        _, words = _heard(service, folder / f"{index}.wav", clip)
        heard.append([str(word["word"]) for word in words])
    return heard


def _heard(service: Service, path: Path, pcm: Pcm) -> tuple[Json, list[Json]]:
    task = service.transcribe(write_wav(path, pcm), path.name, 900, word_timestamps="true", language="en")
    return task, service.transcript(task["task_id"])["words"]


def _forced_cuts(chunks: Sequence[Json]) -> list[float]:
    """The middles of overlaps."""
    pairs = itertools.pairwise(chunks)
    return [(left["end"] + right["start"]) / 2 for left, right in pairs if left["end"] > right["start"]]


def _is_near(one: Difference, cuts: Sequence[float]) -> bool:
    return any(abs(one.seconds - cut) <= NEAR_SECONDS for cut in cuts)
