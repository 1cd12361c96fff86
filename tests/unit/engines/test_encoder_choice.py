"""The fastest encoder is found once, in another process, and remembered for this machine, model and precision."""

import json

import pytest

from core.engines import encoder_choice
from core.engines.encoder_choice import fastest_encoder
from core.engines.model_files import ModelFiles


@pytest.fixture
def files(tmp_path):
    """A model of which only the size matters here."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    return ModelFiles(name="base", path=folder)


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """What the child process says, and how often it was asked."""
    answer, journal = tmp_path / "answer", tmp_path / "journal"
    program = (
        f"import pathlib; open({str(journal)!r}, 'a').write('x'); print(pathlib.Path({str(answer)!r}).read_text())"
    )
    monkeypatch.setattr(encoder_choice, "_PROGRAM", program)

    def say(**seconds):
        answer.write_text(json.dumps(seconds))
        return lambda: len(journal.read_text()) if journal.exists() else 0

    return say


@pytest.mark.parametrize("fastest", ["openvino", "ctranslate2", "compiled"])
def test_the_fastest_is_measured_once(files, trials, tmp_path, fastest):
    """The second worker, or the next start, only reads it."""
    asked = trials(**{"openvino": 0.7, "ctranslate2": 1.0, "compiled": 0.8, fastest: 0.5})
    assert [fastest_encoder(files, "int8", tmp_path) for _ in range(3)] == [fastest] * 3
    assert asked() == 1


def test_what_is_different_is_measured_again(files, trials, tmp_path, monkeypatch):
    """Another precision, another processor, another model."""
    asked = trials(openvino=1, ctranslate2=2)
    fastest_encoder(files, "int8", tmp_path)
    fastest_encoder(files, "float32", tmp_path)
    monkeypatch.setattr(encoder_choice, "_processor", lambda: "another")
    fastest_encoder(files, "float32", tmp_path)
    files.weights.write_bytes(b"other weights")
    fastest_encoder(files, "float32", tmp_path)
    assert asked() == 4


def test_a_trial_that_dies_is_told_and_costs_nothing(files, monkeypatch, tmp_path, caplog, capsys):
    """And is made again at the next start."""
    monkeypatch.setattr(encoder_choice, "_PROGRAM", "import os; os.abort()")
    assert fastest_encoder(files, "int8", tmp_path) == "openvino"
    assert "encoders not compared" in caplog.text + "".join(capsys.readouterr())
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"of": 1, "seconds": 2}'])
def test_a_broken_memory_is_written_anew(files, trials, tmp_path, text):
    """Whatever is in it."""
    asked = trials(openvino=2, ctranslate2=1)
    encoder_choice._place(files, tmp_path).write_text(text)
    assert [fastest_encoder(files, "int8", tmp_path) for _ in range(2)] == ["ctranslate2"] * 2
    assert asked() == 1


def test_without_a_place_to_remember_it_is_measured_each_time(files, trials, tmp_path):
    """A file system that cannot be written to."""
    asked = trials(openvino=1, ctranslate2=2)
    assert fastest_encoder(files, "int8", None) == "openvino"
    assert fastest_encoder(files, "int8", tmp_path / "nowhere") == "openvino"
    assert asked() == 2
