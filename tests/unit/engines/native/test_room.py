"""How much room there is for what a batch sounds like."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.config import usable_cores
from core.engines.memory import Halving, Part
from core.engines.native import backend as module
from core.engines.native.backend import NativeBackend

LAYERS, WIDTH, FRAMES = 2, 128, 70
SILENCE = np.zeros(0, np.int16)


class Deaf:
    """An encoder that hears nothing."""

    frames, mels = FRAMES, 80

    def hear(self, mel: Any, sound: Any, window: int) -> None:
        """As it says."""


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> NativeBackend:
    """Of a model of which nothing but the shapes is asked for."""
    monkeypatch.setattr(module, "TokenBook", lambda *_, **__: None)
    model: Any = SimpleNamespace(own_norm=SimpleNamespace(scale=np.zeros((LAYERS, WIDTH), np.float32)))
    shape: Any = SimpleNamespace(multilingual=True)
    return NativeBackend(model, Deaf(), shape, SimpleNamespace(tokenizer=None))  # type: ignore[arg-type]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many windows there was to be room; there is none for more than four once this has had ten."""
    asked: list[int] = []
    new = module.new_sound

    def scarce(windows: int, *shape: int) -> Any:
        asked.append(windows)
        if windows > 4 and 10 in asked:
            raise MemoryError("no room")
        return new(windows, *shape)

    monkeypatch.setattr(module, "new_sound", scarce)
    return asked


def hear(backend: NativeBackend, windows: int) -> Any:
    """A batch of them."""
    return backend.hear([SILENCE] * windows, lambda: None)


def answers(backend: NativeBackend, some: Part[int]) -> list[int]:
    """How many were heard together, for each of them."""
    windows = len(list(some))
    return [len(hear(backend, windows).frames)] * windows


def test_every_batch_has_the_room_of_the_largest_so_far(backend: NativeBackend, asked: list[int]) -> None:
    """So much is needed anyway when its turn comes. A single window, whose language may be sought, has its own."""
    shapes = [hear(backend, windows).keys.shape[:2] for windows in (4, 8, 4, 1)]
    assert shapes == [(4, LAYERS), (8, LAYERS), (4, LAYERS), (1, LAYERS)]
    assert asked == [4, 8, 8, 1]


def test_where_there_is_none_for_that_a_small_batch_still_has_its_own(backend: NativeBackend, asked: list[int]) -> None:
    """It is not to blame: the engine would halve it, and all that come after it."""
    hear(backend, 8)
    asked.append(10)
    done = Halving().run(lambda some: answers(backend, some), [0] * 4)
    assert done == [4] * 4
    assert asked[2:] == [8, 4]
    hear(backend, 3)
    assert asked[4:] == [4]


def test_a_batch_for_which_there_is_no_room_is_halved(backend: NativeBackend, asked: list[int]) -> None:
    """As ever."""
    asked.append(10)
    done = Halving().run(lambda some: answers(backend, some), [0] * 8)
    assert done == [4] * 8


def test_finding_a_language_does_not_wait_for_batches(backend: NativeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose slots may have all desks for minutes; it has a deadline."""
    monkeypatch.setattr(module, "Writer", lambda *_: SimpleNamespace(first_scores=lambda: np.zeros(2)))
    monkeypatch.setattr(module, "Desk", lambda _model: object())
    spoken: Any = SimpleNamespace(languages=(0, 1), vocabulary=2)
    book: Any = SimpleNamespace(start_token=0, languages=lambda _tokens: ["en", "de"])
    monkeypatch.setattr(backend, "_shape", spoken)
    monkeypatch.setattr(backend, "book", book)
    with ThreadPoolExecutor(1) as thread, ExitStack() as batches:
        for _ in range(usable_cores()):
            batches.enter_context(backend._desks.one())
        assert thread.submit(backend.votes, SILENCE).result(10) == {"en": 0.5, "de": 0.5}
