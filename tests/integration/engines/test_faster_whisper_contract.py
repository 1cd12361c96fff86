"""The real engine keeps the contract of engines, with an English-only and with a multilingual model."""

from pathlib import Path

import pytest

from core.models import Pcm
from core.ports import Engine
from tests.contracts.engine_contract import EngineContract
from tests.integration.engines.speech import clip, real_engine


@pytest.fixture(scope="module", params=["tiny.en", "base"])
def engine(request: pytest.FixtureRequest, models_dir: Path) -> Engine:
    return real_engine(request.param, models_dir)


@pytest.fixture
def pcm() -> Pcm:
    return clip("0870")


class TestFasterWhisper(EngineContract):
    """All of it."""


def test_the_engine_is_loaded_on_first_use(models_dir: Path) -> None:
    """Nobody has to call load first."""
    assert real_engine("tiny.en", models_dir).detect_language([]).code == "en"
