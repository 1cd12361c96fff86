"""More slots than cores take no more working space than there are cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.engines.native import backend, hearing
from core.models import Options, Window
from tests.integration.engines.speech import clip, real_engine

THREADS = 4


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is made, on a machine with one core."""
    made: list[str] = []

    def noted(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: made.append(name) or make(*given)  # type: ignore[func-returns-value]

    for module, name in ((backend, "Desk"), (hearing, "new_hall")):
        monkeypatch.setattr(module, "usable_cores", lambda: 1)
        monkeypatch.setattr(module, name, noted(name, getattr(module, name)))
    return made


def test_slots_without_a_core_wait_for_the_space_of_another(made: list[str], models_dir: Path) -> None:
    """And say the same, each about its own window."""
    engine = real_engine("tiny.en", models_dir, decoder="compiled", encoder="compiled")
    windows = [Window(pcm=clip(number)) for number in ("0870", "0880") * (THREADS // 2)]
    options = Options(model="tiny.en", language="en", temperature=0.0)
    with ThreadPoolExecutor(THREADS) as threads:
        texts = list(threads.map(lambda window: engine.transcribe([window], options)[0].text, windows))
    assert texts[:2] * (THREADS // 2) == texts
    assert texts[0] != texts[1]
    assert sorted(made) == ["Desk", "new_hall"]
