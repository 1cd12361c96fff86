"""The right words, whichever way they are transcribed."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.live import ROOT, Service, serving
from tests.support.wer import normalise, word_error_rate

SAMPLE = ROOT / "samples" / "printing.ogg"
JFK = ROOT / "tests" / "data" / "jfk.flac"
JFK_WORDS = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
MOST_ERRORS = 0.07


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What was heard in the two recordings."""

    sample: str
    jfk: str


@pytest.fixture(scope="module")
def in_parallel(real: Service) -> Texts:
    return _texts(real)


@pytest.fixture(scope="module")
def in_sequence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Texts]:
    with serving(tmp_path_factory.mktemp("sequential"), use_parallel_transcription=False) as service:
        yield _texts(service)
        assert "Using sequential transcription mode" in service.log()


def test_a_long_recording_has_few_wrong_words(in_parallel: Texts) -> None:
    """At most 7 of 100 words of 233 s of read speech are wrong, missing or surplus."""
    assert word_error_rate(SAMPLE.with_suffix(".txt").read_text(), in_parallel.sample) <= MOST_ERRORS


def test_a_clear_recording_has_every_word_right(in_parallel: Texts) -> None:
    """Eleven seconds of a famous speech: no error at all."""
    assert normalise(in_parallel.jfk) == normalise(JFK_WORDS)


def test_sequential_mode_gives_the_very_same_text(in_parallel: Texts, in_sequence: Texts) -> None:
    """Letter by letter: slots and batches change the speed alone."""
    assert in_sequence == in_parallel


def _texts(service: Service) -> Texts:
    tasks = [service.upload(path, path.name) for path in (SAMPLE, JFK)]
    for task in tasks:
        assert service.wait(task, 300)["status"] == "completed"
    sample, jfk = (service.text(task) for task in tasks)
    return Texts(sample=sample, jfk=jfk)
