"""What every engine must do. A test module subclasses :class:`EngineContract` and adds ``engine`` and ``pcm``."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.errors import EngineCancelledError, EngineError
from core.models import SAMPLE_RATE, Options, Pcm, Window, WindowResult
from core.ports import Engine

OPTIONS = Options(model="any", language="en")


def windows_of(pcm: Pcm) -> list[Window]:
    """Four windows of very different lengths, one of them silent."""
    second = SAMPLE_RATE
    return [
        Window(pcm=pcm[: 3 * second]),
        Window(pcm=np.zeros(second, dtype=np.int16)),
        Window(pcm=pcm),
        Window(pcm=pcm[second : 2 * second]),
    ]


class Coming(Iterator[Window]):
    """These windows, of ``most`` that might have come."""

    def __init__(self, windows: list[Window], most: int) -> None:
        self._windows, self._most = iter(windows), most

    def __next__(self) -> Window:
        window = next(self._windows)
        self._most -= 1
        return window

    def __length_hint__(self) -> int:
        return self._most


def texts(results: list[WindowResult]) -> list[str]:
    return [result.text for result in results]


def timed(results: list[WindowResult]) -> list[list[tuple[float, float, str]]]:
    """Words and times. Not the probabilities: in 8 bit arithmetic they wobble by a few thousandths with the batch."""
    return [[(w.start, w.end, w.text) for segment in result.segments for w in segment.words] for result in results]


class EngineContract:
    """Fixtures wanted: ``engine`` (an :class:`Engine`) and ``pcm`` (at least 6 s of speech)."""

    def test_one_result_per_window_in_order(self, engine: Engine, pcm: Pcm) -> None:
        """Result n belongs to window n, whatever else is in the batch, and speech has text."""
        windows = windows_of(pcm)
        results = engine.transcribe(windows, OPTIONS)
        backwards = engine.transcribe(windows[::-1], OPTIONS)
        assert len(results) == len(windows)
        assert texts(results) == texts(backwards)[::-1]
        assert results[2].text
        assert len(set(texts(results))) == len(windows)

    def test_nothing_in_gives_nothing_out(self, engine: Engine) -> None:
        """No windows, no results."""
        assert engine.transcribe([], OPTIONS) == []

    @pytest.mark.parametrize("samples", [0, 1, 159, 160, 400, 1599])
    def test_a_window_too_short_to_hold_speech_is_no_error(self, engine: Engine, pcm: Pcm, samples: int) -> None:
        """Slivers of audio are transcribed like any other."""
        (result,) = engine.transcribe([Window(pcm=pcm[:samples])], OPTIONS)
        assert all(segment.end <= samples / SAMPLE_RATE for segment in result.segments)

    def test_silence_has_no_words(self, engine: Engine) -> None:
        """Digital silence is exactly empty."""
        (result,) = engine.transcribe([Window(pcm=np.zeros(5 * SAMPLE_RATE, dtype=np.int16))], OPTIONS)
        assert result.segments == ()

    def test_times_rise_and_stay_inside_the_window(self, engine: Engine, pcm: Pcm) -> None:
        """Every word ends after it starts, starts no earlier than the last one, and lies in its segment and window."""
        for window, result in zip(windows := windows_of(pcm), engine.transcribe(windows, OPTIONS), strict=True):
            at = 0.0
            for segment in result.segments:
                assert segment.words
                assert segment.start == segment.words[0].start
                assert segment.end == segment.words[-1].end
                assert segment.text == "".join(word.text for word in segment.words)
                for word in segment.words:
                    assert at <= word.start <= word.end <= len(window.pcm) / SAMPLE_RATE
                    assert 0.0 <= word.probability <= 1.0
                    at = word.end

    def test_a_window_reads_the_same_alone_and_in_a_batch(self, engine: Engine, pcm: Pcm) -> None:
        """Batching is for speed alone: texts and times do not depend on it."""
        windows = windows_of(pcm)
        together = engine.transcribe(windows, OPTIONS)
        alone = [engine.transcribe([window], OPTIONS)[0] for window in windows]
        assert timed(together) == timed(alone)

    def test_windows_may_come_while_earlier_ones_are_heard(self, engine: Engine, pcm: Pcm) -> None:
        """With or without a word on how many they may become; it makes no other text of them."""
        windows = windows_of(pcm)
        expected = timed(engine.transcribe(windows, OPTIONS))
        assert timed(engine.transcribe(Coming(windows, most=len(windows) + 3), OPTIONS)) == expected
        assert timed(engine.transcribe((window for window in windows), OPTIONS)) == expected
        assert engine.transcribe(Coming([], most=3), OPTIONS) == []

    def test_two_threads_at_once_get_what_each_would_alone(self, engine: Engine, pcm: Pcm) -> None:
        """One instance serves all slots."""
        windows = windows_of(pcm)
        expected = texts(engine.transcribe(windows, OPTIONS))
        start = threading.Barrier(2)

        def work(order: int) -> list[str]:
            start.wait(timeout=60)
            return texts(engine.transcribe(windows[::order], OPTIONS))[::order]

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(work, (1, -1))) == [expected, expected]

    def test_a_cancelled_batch_stops(self, engine: Engine, pcm: Pcm) -> None:
        """When nobody wants the result the engine says so instead of going on, also part of the way through."""
        with pytest.raises(EngineCancelledError):
            engine.transcribe(windows_of(pcm), OPTIONS, lambda: True)
        looks = iter([False, False])
        with pytest.raises(EngineCancelledError):
            engine.transcribe(windows_of(pcm), OPTIONS, lambda: next(looks, True))

    def test_the_engine_works_on_after_a_cancelled_batch(self, engine: Engine, pcm: Pcm) -> None:
        """Giving up leaves nothing behind."""
        with pytest.raises(EngineCancelledError):
            engine.transcribe(windows_of(pcm), OPTIONS, lambda: True)
        assert engine.transcribe([Window(pcm=pcm)], OPTIONS)[0].text

    def test_english_speech_is_found_to_be_english(self, engine: Engine, pcm: Pcm) -> None:
        """From one window or from three."""
        for count in (1, 3):
            found = engine.detect_language([Window(pcm=pcm)] * count)
            assert found.code == "en"
            assert 0.5 < found.probability <= 1.0

    def test_windows_without_a_language_are_refused(self, engine: Engine, pcm: Pcm) -> None:
        """The language is found once per task: an engine asked to guess per window says no."""
        with pytest.raises(EngineError, match="language"):
            engine.transcribe([Window(pcm=pcm)], Options(model="any"))

    def test_loading_twice_is_loading_once(self, engine: Engine, pcm: Pcm) -> None:
        """A second load changes nothing and returns."""
        engine.load()
        engine.load()
        assert engine.transcribe([Window(pcm=pcm)], OPTIONS)[0].text
