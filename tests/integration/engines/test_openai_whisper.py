"""OpenAI's own Whisper keeps the contract of engines. Needs the extra `openai`: `make test-openai`."""

import asyncio
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.recording import SAMPLE, windows_of
from core.models import Options, Pcm, Window
from core.ports import Engine
from tests.contracts.engine_contract import EngineContract
from tests.integration.engines.speech import CLIPS, clip, real_engine
from tests.support.live import ROOT
from tests.support.wer import word_error_rate

pytestmark = [
    pytest.mark.openai,
    pytest.mark.skipif(importlib.util.find_spec("whisper") is None, reason="needs the extra `openai`"),
    # OpenAI's tokenizer leaves the file of its vocabulary open.
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", params=["tiny.en", "base"])
def engine(request: pytest.FixtureRequest, models_dir: Path) -> Engine:
    return real_engine(request.param, models_dir, engine="openai-whisper")


@pytest.fixture
def pcm() -> Pcm:
    return clip("0870")


class TestOpenAIWhisper(EngineContract):
    """All of it."""


SHARED = """
import sys, threading
from pathlib import Path
import numpy as np
import core.engines.openai_whisper as adapter
from core.models import Options, Window
from tests.integration.engines.speech import CLIPS, clip, real_engine

if sys.argv[2] == "shared":
    adapter.OpenAIBackend._copy = property(lambda backend: backend._model)
engine = real_engine("tiny.en", Path(sys.argv[1]), engine="openai-whisper")
options = Options(model="tiny.en", language="en", beam_size=2)
windows = [[Window(pcm=clip(number))] for number in CLIPS]
alone = [engine.transcribe(window, options)[0].text for window in windows]
found = {}

def work(name, order):
    found[name] = [engine.transcribe(windows[place], options)[0].text for place in order]

orders = {"up": range(len(windows)), "down": range(len(windows))[::-1]}
threads = [threading.Thread(target=work, args=each) for each in orders.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
same = all(found.get(name) == [alone[place] for place in order] for name, order in orders.items())
sys.exit(0 if same else 3)
"""


@pytest.mark.parametrize(("how", "sound"), [("each its own", True), ("shared", False)])
def test_two_threads_must_not_share_a_model(models_dir: Path, how: str, sound: bool) -> None:
    """With layers of their own they write what they would alone; on the same layers they crash, or write nonsense."""
    done = subprocess.run(
        [sys.executable, "-c", SHARED, str(models_dir), how], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode == 0) is sound, done.stderr.decode()[-3000:]


def test_all_threads_have_the_same_weights(models_dir: Path) -> None:
    """A slot more costs hardly any memory."""
    engine = real_engine("tiny.en", models_dir, engine="openai-whisper")
    engine.load()
    backend = engine._backend
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(lambda: backend._copy).result()
    ours = backend._copy
    assert theirs is not ours
    assert [p.data_ptr() for p in theirs.parameters()] == [p.data_ptr() for p in ours.parameters()]


@pytest.mark.slow
def test_the_error_rate_is_that_of_the_default_engine(models_dir: Path) -> None:
    """On four minutes of read speech, cut as the product cuts it: within a hundredth of the words."""
    reference = SAMPLE.with_suffix(".txt").read_text()
    windows = [Window(pcm=pcm) for pcm in asyncio.run(windows_of(SAMPLE))]
    rates = {}
    for name in ("faster-whisper", "openai-whisper"):
        options = Options(model="base", language="en", beam_size=2)
        results = real_engine("base", models_dir, engine=name).transcribe(windows, options)
        rates[name] = word_error_rate(reference, " ".join(result.text for result in results))
    print(rates)  # noqa: T201 - the figure
    assert abs(rates["openai-whisper"] - rates["faster-whisper"]) <= 0.01


def test_its_words_are_those_of_the_default_engine(models_dir: Path) -> None:
    """The weights are the same, so the text is, up to the rounding of 8 bits."""
    windows = [Window(pcm=clip(number)) for number in CLIPS]
    options = Options(model="base", language="en", beam_size=2)
    ours, theirs = (
        " ".join(result.text for result in real_engine("base", models_dir, engine=name).transcribe(windows, options))
        for name in ("faster-whisper", "openai-whisper")
    )
    assert word_error_rate(theirs, ours) <= 0.01
