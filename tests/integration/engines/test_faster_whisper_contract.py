"""The real engine keeps the contract of engines: with either kind of model, decoder and encoder."""

from pathlib import Path

import pytest

from core.models import Pcm
from core.ports import Engine
from tests.contracts.engine_contract import EngineContract
from tests.integration.engines.speech import clip, real_engine

MAKES = [
    ("tiny.en", "ctranslate2", "ctranslate2"),
    ("base", "ctranslate2", "ctranslate2"),
    ("base", "ctranslate2", "openvino"),
    ("tiny.en", "compiled", "openvino"),
    ("base", "compiled", "openvino"),
    ("base", "compiled", "ctranslate2"),
    ("base", "compiled", "compiled"),
    ("tiny.en", "compiled", "compiled"),
    ("tiny.en", "ctranslate2", "compiled"),
]


@pytest.fixture(scope="module", params=MAKES, ids="-".join)
def engine(request: pytest.FixtureRequest, models_dir: Path) -> Engine:
    model, decoder, encoder = request.param
    return real_engine(model, models_dir, decoder=decoder, encoder=encoder)


@pytest.fixture
def pcm() -> Pcm:
    return clip("0870")


class TestFasterWhisper(EngineContract):
    """All of it."""


def test_the_engine_is_loaded_on_first_use(models_dir: Path) -> None:
    """Nobody has to call load first."""
    assert real_engine("tiny.en", models_dir).detect_language([]).code == "en"
