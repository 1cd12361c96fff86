"""Two hundred windows at once and one by one: the same texts, whatever runs the model."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.models import SAMPLE_RATE, Options, Window
from core.ports import Engine
from tests.integration.engines.speech import CLIPS, clip, real_engine

COUNT, BATCH, SLOTS = 200, 8, 2
WHISPER = [
    {"decoder": decoder, "encoder": encoder}
    for decoder in ("ctranslate2", "compiled")
    for encoder in ("ctranslate2", "openvino", "compiled")
]
WITHOUT_OPENAI = pytest.mark.skipif(importlib.util.find_spec("whisper") is None, reason="needs the extra `openai`")
LEFT_OPEN = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")  # theirs
OPENAI = pytest.param({"engine": "openai-whisper"}, marks=[WITHOUT_OPENAI, LEFT_OPEN], id="openai")


def some_windows() -> list[Window]:
    """Of 2 to 10 s, cut out of read speech anywhere, in the middle of words, too."""
    random, speech = np.random.default_rng(200), np.concatenate([clip(number) for number in CLIPS])
    lengths = random.integers(2 * SAMPLE_RATE, 10 * SAMPLE_RATE, COUNT)
    starts = [int(random.integers(len(speech) - length)) for length in lengths]
    return [Window(pcm=speech[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def texts(engine: Engine, windows: list[Window], *, batch: int, threads: int) -> list[str]:
    """In order, with batches and threads as slots have them."""
    options = Options(model="tiny.en", language="en", temperature=0.0)
    batches = [windows[start : start + batch] for start in range(0, len(windows), batch)]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda some: engine.transcribe(some, options), batches))
    return [result.text for results in found for result in results]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [*WHISPER, OPENAI], ids=lambda settings: "-".join(settings.values()))
def test_texts_do_not_depend_on_what_is_transcribed_beside_them(settings: dict[str, str], models_dir: Path) -> None:
    """At temperature 0, in full batches on two threads against alone on one."""
    engine, windows = real_engine("tiny.en", models_dir, **settings), some_windows()
    together = texts(engine, windows, batch=BATCH, threads=SLOTS)
    assert together == texts(engine, windows, batch=1, threads=1)
    assert sum(map(bool, together)) > COUNT / 2
