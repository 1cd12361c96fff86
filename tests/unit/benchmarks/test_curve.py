"""The curve of beams: what is measured, that the fallback can be off, and what is made of the figures."""

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.curve import WIDEST, Point, points_of, summarise
from benchmarks.engines.ours import keep_first
from benchmarks.engines.trial import Run
from core.config import Settings
from core.engines.faster_whisper import FasterWhisperEngine
from core.engines.quality import WIDE, Attempt, Search
from core.models import Options, Window

DOUBTFUL, SURE = -1.5, -0.2  # mean log-probability of a token


class Doubtful:
    """A backend whose first text of each window is doubtful, and whose second is not."""

    multilingual = True
    book = SimpleNamespace(start=lambda options: None, speaker=lambda options: None)

    def __init__(self) -> None:
        self.searches: list[Search] = []

    def hear(self, windows, check):
        """Nothing has to be encoded."""
        list(windows)

    def decode(self, heard, which, options, search, check):
        """One attempt a window."""
        self.searches.append(search)
        logprob = DOUBTFUL if len(self.searches) == 1 else SURE
        return [
            Attempt(tokens=(1,), text="said", temperature=0.0, avg_logprob=logprob, no_speech_prob=0.0) for _ in which
        ]

    def align(self, heard, attempts, samples, options):
        """No times."""
        return [None for _ in attempts]


@pytest.mark.parametrize(
    ("more", "again", "logprob"), [({}, [WIDE], SURE), ({"settle": keep_first}, [], DOUBTFUL)], ids=["on", "off"]
)
def test_without_the_fallback_the_first_text_is_kept(more, again, logprob):
    """However doubtful it is; an engine that is told nothing looks again."""
    backend = Doubtful()
    engine = FasterWhisperEngine(lambda: backend, name="doubtful", **more)
    window = Window(pcm=np.full(16_000, 1000, dtype=np.int16))
    (result,) = engine.transcribe([window], Options(model="doubtful", language="en", beam_size=1))
    assert backend.searches == [Search(beam_size=1), *again]
    assert result.avg_logprob == logprob


def test_each_beam_is_measured_once_with_and_once_without():
    """One after the other, so that a busy moment hits both."""
    found = [(point.beam, point.fallback) for point in points_of([2, 1, 2])]
    assert found == [(2, True), (2, False), (1, True), (1, False)]


def test_the_widest_beam_is_that_of_the_settings():
    """One more is refused before anything runs."""
    assert Settings(_env_file=None, beam_size=WIDEST).beam_size == WIDEST
    with pytest.raises(ValidationError):
        Settings(_env_file=None, beam_size=WIDEST + 1)


def run_of(speed: float, wer: float) -> Run:
    """One run with these figures."""
    return Run(contender="parascribe", wall_seconds=1.0, cpu_seconds=1.0, realtime_factor=speed, wer=wer, peak_mb=1.0)


def test_points_are_medians_with_the_fallback_first():
    """From the narrowest beam on, whatever the order in which they were measured."""
    speeds = {(2, True): 50.0, (1, False): 70.0, (1, True): 60.0}
    runs = {
        Point(beam=beam, fallback=fallback): [run_of(each, each / 1000) for each in (0.0, speed, 99.0)]
        for (beam, fallback), speed in speeds.items()
    }
    summary = summarise(runs, 932.04, 2)
    found = [(each["beam"], each["fallback"], each["realtime_factor"], each["wer"]) for each in summary["points"]]
    assert found == [(1, True, 60.0, 0.06), (2, True, 50.0, 0.05), (1, False, 70.0, 0.07)]
    assert (summary["summary"], summary["audio_seconds"], summary["cores"]) == (True, 932.0, 2)
