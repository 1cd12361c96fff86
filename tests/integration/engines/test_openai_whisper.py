"""OpenAI's own Whisper keeps the contract of engines. Needs the extra `openai`: `make test-openai`."""

import importlib.util
from pathlib import Path

import pytest

from core.models import Options, Pcm, Window
from core.ports import Engine
from tests.contracts.engine_contract import EngineContract
from tests.integration.engines.speech import CLIPS, clip, real_engine
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


def test_its_words_are_those_of_the_default_engine(models_dir: Path) -> None:
    """The weights are the same, so the text is, up to the rounding of 8 bits."""
    windows = [Window(pcm=clip(number)) for number in CLIPS]
    options = Options(model="base", language="en", beam_size=2)
    ours, theirs = (
        " ".join(result.text for result in real_engine("base", models_dir, engine=name).transcribe(windows, options))
        for name in ("faster-whisper", "openai-whisper")
    )
    assert word_error_rate(theirs, ours) <= 0.01
