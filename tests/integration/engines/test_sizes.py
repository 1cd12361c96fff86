"""Every size of Whisper is loaded: the same sound and the same languages as CTranslate2 finds, from random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config import Settings
from core.engines.builders import build_whisper
from core.engines.ct2_file import read_weights
from core.engines.features import new_bands, spectrogram
from core.engines.model_files import ModelFiles
from core.engines.native.hearing import CompiledEncoder
from core.engines.openvino_encoder import OpenVinoEncoder
from core.engines.registry import model_store
from core.models import Pcm
from tests.integration.engines.speech import clip
from tests.support.random_model import SIZES, write_model

FIRST_LAYERS = [pytest.param((name, 1 if name == "turbo" else 2), id=name) for name in SIZES]
WHOLE = [pytest.param((name, 99), id=f"whole-{name}", marks=pytest.mark.slow) for name in SIZES]


@pytest.fixture(scope="module", params=[*FIRST_LAYERS, *WHOLE])
def files(request: pytest.FixtureRequest, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    name, layers = request.param
    whole = SIZES[name]
    size = replace(whole, heard=min(layers, whole.heard), spoken=min(layers, whole.spoken))
    like = model_store(Settings(models_dir=models_dir)).find("base").path
    return ModelFiles(name=name, path=write_model(tmp_path_factory.mktemp(name) / name, size, like=like))


@pytest.fixture(scope="module")
def pcm() -> Pcm:
    return clip("0870")


def test_the_encoder_hears_what_ctranslate2_hears(files: ModelFiles, pcm: Pcm) -> None:
    """Keys and values of every layer, within a hundredth of their size."""
    weights = read_weights(files.weights)
    encoder = OpenVinoEncoder(weights, None, streams=1, keys=True, exact=True)
    mel = spectrogram(new_bands(encoder.mels), pcm)
    heard = _ctranslate2(files, mel)
    for layer, made in enumerate(encoder.project(mel)):
        at = f"decoder/layer_{layer}/attention/linear_1"
        expected = heard @ weights[f"{at}/weight"].astype(np.float32).T + weights[f"{at}/bias"].astype(np.float32)
        assert np.linalg.norm(made - expected) <= 1e-2 * np.linalg.norm(expected)


def test_the_compiled_encoder_hears_nearly_that(files: ModelFiles, pcm: Pcm) -> None:
    """Within what 8 bits can tell."""
    encoder = CompiledEncoder(read_weights(files.weights))
    mel = spectrogram(new_bands(encoder.mels), pcm)
    heard = _ctranslate2(files, mel)
    assert np.linalg.norm(encoder.project(mel)[0] - heard) <= 5e-2 * np.linalg.norm(heard)


def _ctranslate2(files: ModelFiles, mel: np.ndarray) -> np.ndarray:
    import ctranslate2

    model = ctranslate2.models.Whisper(str(files.path), compute_type="float32", intra_threads=1)
    return np.asarray(model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True))[0]


def test_the_decoder_finds_the_languages_that_ctranslate2_finds(files: ModelFiles, pcm: Pcm) -> None:
    """Chance knows no language, but both have to draw the same from it."""
    ours, theirs = (_votes(files, pcm, decoder) for decoder in ("compiled", "ctranslate2"))
    assert ours.keys() == theirs.keys()
    logs = [[np.log(votes[name]) for name in sorted(ours)] for votes in (ours, theirs)]
    assert np.corrcoef(logs)[0, 1] > 0.99


def _votes(files: ModelFiles, pcm: Pcm, decoder: str) -> dict[str, float]:
    engine = build_whisper(Settings(decoder=decoder, compute_type="float32", max_parallel_workers=1), files)
    engine.load()
    return dict(engine._loaded().votes(pcm))
