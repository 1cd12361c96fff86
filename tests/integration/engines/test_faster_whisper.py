"""What the real engine does beyond the contract."""

import re
from pathlib import Path

import jiwer
import numpy as np
import pytest

from core.config import Settings
from core.engines.builders import build_whisper
from core.engines.faster_whisper import FasterWhisperEngine
from core.engines.model_files import ModelFiles
from core.errors import EngineError
from core.models import SAMPLE_RATE, Options, Window
from tests.integration.engines.speech import CLIPS, clip, real_engine, words_of


@pytest.fixture(scope="module")
def base(models_dir: Path) -> FasterWhisperEngine:
    return real_engine("base", models_dir)


@pytest.fixture(scope="module")
def tiny(models_dir: Path) -> FasterWhisperEngine:
    return real_engine("tiny.en", models_dir)


def bare(text: str) -> str:
    """Lower case, no punctuation, titles spelt out: as the transcripts are."""
    return re.sub(r"[^a-z ]", "", text.lower().replace("mr.", "mister").replace("-", " "))


def test_real_speech_is_read_right(base: FasterWhisperEngine) -> None:
    """At most a tenth of the words of five read sentences are wrong."""
    results = base.transcribe([Window(pcm=clip(number)) for number in CLIPS], Options(model="base", language="en"))
    said = [" ".join(words_of(number)) for number in CLIPS]
    assert jiwer.wer(said, [bare(result.text) for result in results]) <= 0.1
    assert all(result.avg_logprob > -0.6 and result.flags == () for result in results)


def test_a_prompt_steers_the_spelling(base: FasterWhisperEngine) -> None:
    """The client's prompt reaches the decoder, and one far too long is cut instead of refused."""
    heard = [Window(pcm=clip("0870"))]
    plain = base.transcribe(heard, Options(model="base", language="en"))[0].text
    steered = base.transcribe(heard, Options(model="base", language="en", prompt="Mr. Jon Dashwoode spoke."))[0].text
    assert "Dashwoode" not in plain
    assert "Dashwoode" in steered
    assert base.transcribe(heard, Options(model="base", language="en", prompt="long words " * 600))[0].segments


def test_translation_runs(base: FasterWhisperEngine) -> None:
    """Task translate is its own task: English stays English."""
    (result,) = base.transcribe([Window(pcm=clip("0930"))], Options(model="base", language="en", task="translate"))
    assert "himself" in result.text.lower()


def test_a_given_temperature_is_used_as_it_is(base: FasterWhisperEngine) -> None:
    """Above 0 there is one attempt, at that temperature."""
    (result,) = base.transcribe([Window(pcm=clip("0930"))], Options(model="base", language="en", temperature=0.4))
    assert result.temperature == 0.4


def test_noise_gives_no_text(base: FasterWhisperEngine) -> None:
    """White noise that slipped past the voice detector is judged to be no speech."""
    noise = (np.random.default_rng(0).normal(size=10 * SAMPLE_RATE) * 1000).astype(np.int16)
    (result,) = base.transcribe([Window(pcm=noise)], Options(model="base", language="en"))
    assert result.text == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(model="tiny.en", language="de"), "English-only"),
        (Options(model="tiny.en", language="en", task="translate"), "English-only"),
    ],
)
def test_an_english_model_refuses_what_it_cannot_do(tiny: FasterWhisperEngine, options: Options, message: str) -> None:
    """Rather than give an English text of a German speech."""
    with pytest.raises(EngineError, match=message):
        tiny.transcribe([Window(pcm=clip("0930"))], options)


@pytest.mark.parametrize("language", ["xx", "yue"])
def test_a_language_that_the_model_lacks_is_an_error(base: FasterWhisperEngine, language: str) -> None:
    """Unknown to Whisper, or newer than the model (Cantonese came with large-v3)."""
    with pytest.raises(EngineError, match=language):
        base.transcribe([Window(pcm=clip("0930"))], Options(model="base", language=language))


def test_an_english_model_finds_english_without_listening(tiny: FasterWhisperEngine) -> None:
    """With certainty."""
    found = tiny.detect_language([Window(pcm=clip("0930"))])
    assert (found.code, found.probability) == ("en", 1.0)


def test_files_that_are_no_model_are_an_engine_error(tmp_path: Path) -> None:
    """CTranslate2's own exception does not escape."""
    (tmp_path / "model.bin").write_bytes(b"not a model")
    engine = build_whisper(Settings(_env_file=None, device="cpu"), ModelFiles(name="junk", path=tmp_path))
    with pytest.raises(EngineError, match="junk") as caught:
        engine.load()
    assert isinstance(caught.value.__cause__, RuntimeError)
