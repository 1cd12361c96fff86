"""The comparison of engines: who gets which windows, and what is made of the figures."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engines import __main__ as engines
from benchmarks.engines import ggml
from benchmarks.engines.contenders import CONTENDERS, DEFAULT_MODE
from benchmarks.engines.trial import Run, misread, settings_of
from benchmarks.recording import Recording
from core.config import Settings
from core.engines.model_files import ModelFiles

OURS = [name for name, contender in CONTENDERS.items() if contender.ours]


def run_of(contender: str, speed: float) -> Run:
    """One run with this speed."""
    return Run(contender=contender, wall_seconds=1.0, cpu_seconds=1.0, realtime_factor=speed, wer=0.05, peak_mb=1.0)


def test_a_peer_is_compared_in_its_best_setting():
    """Medians first; a peer that did not take part has no ratio."""
    speeds = {
        "parascribe": (60.0, 40.0, 50.0),
        "faster-whisper-batched-8": (10.0, 10.0, 10.0),
        "faster-whisper-batched-16": (20.0, 30.0, 25.0),
    }
    runs = [run_of(name, speed) for name, all_ in speeds.items() for speed in all_]
    summary = engines.summarise(runs, Recording(path=Path(), seconds=900.0, words=""))
    assert summary["ratio_faster_whisper_batched"] == pytest.approx(2.0)
    assert "ratio_whisper_cpp" not in summary


def test_every_peer_that_is_compared_takes_part():
    """And every other contender is ours."""
    compared = {name for names in engines.PEERS.values() for name in names}
    assert compared == {name for name, contender in CONTENDERS.items() if not contender.ours}


def test_every_mode_of_ours_is_compared_with_every_peer():
    """And the summary's own ratios are those of the default mode."""
    runs = [run_of(name, 40.0 if name == DEFAULT_MODE else 20.0) for name in OURS]
    runs += [run_of(name, 10.0) for names in engines.PEERS.values() for name in names]
    summary = engines.summarise(runs, Recording(path=Path(), seconds=900.0, words=""))
    expected = {mode: dict.fromkeys(engines.PEERS, 4.0 if mode == DEFAULT_MODE else 2.0) for mode in OURS}
    assert summary["ratios"] == expected
    assert {peer: summary[f"ratio_{peer}"] for peer in engines.PEERS} == expected[DEFAULT_MODE]


@pytest.mark.parametrize("name", OURS)
def test_a_mode_is_what_the_program_reads(name, tmp_path):
    """Its settings exist, are allowed, and mean what they say: on the processor nothing else is chosen for them."""
    given = settings_of(name, tmp_path)
    assert set(given) <= set(Settings.model_fields)
    settings = Settings(_env_file=None, **given)
    assert misread(given, settings.model_dump(mode="json")) == []
    assert settings.device == "cpu"


def test_modes_differ_and_the_first_is_the_default():
    """Each one in decoder, encoder or beam; the default names none of them."""
    modes = [
        (settings.decoder, settings.encoder, settings.beam_size)
        for settings in (Settings(_env_file=None, **CONTENDERS[name].settings) for name in OURS)
    ]
    assert len(set(modes)) == len(OURS)
    assert (OURS[0], CONTENDERS[DEFAULT_MODE].settings) == (DEFAULT_MODE, {})


def test_a_change_wins_over_the_mode(tmp_path):
    """The curve of beams and the benchmark of slots go by that; peers have no settings of ours."""
    assert settings_of("parascribe-greedy", tmp_path, beam_size=5)["beam_size"] == 5
    assert "beam" not in settings_of("faster-whisper", tmp_path)


def test_a_setting_that_was_read_otherwise_is_found():
    """Numbers, paths and flags are compared as they are written."""
    given = {"beam_size": 1, "decoder": "compiled", "data_dir": Path("/somewhere"), "use_parallel_transcription": False}
    read = {"beam_size": 1, "decoder": "auto", "data_dir": "/somewhere", "use_parallel_transcription": False, "more": 1}
    assert misread(given, read) == ["decoder"]


def test_the_weights_are_written_as_whisper_cpp_reads_them(monkeypatch, tmp_path):
    """Sizes, filters, the bytes of each token, and tensors with their dimensions in reverse."""
    vocabulary = {"Ġa": 1, "é": 0, "<|endoftext|>": 2}
    book = {"model": {"vocab": vocabulary}, "added_tokens": [{"content": "<|endoftext|>"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(book), encoding="utf-8")
    sizes = {name: place for place, name in enumerate(
        ["n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer", "n_text_ctx", "n_text_state",
         "n_text_head", "n_text_layer"], start=1)} | {"n_mels": 80}  # fmt: skip
    monkeypatch.setattr(ggml, "read_weights", lambda _: {})
    monkeypatch.setattr(ggml, "dimensions", lambda _: sizes)
    monkeypatch.setattr(ggml, "named", lambda _: {"a.weight": np.zeros((2, 3), np.float16), "a.bias": np.ones(2)})
    ggml.write_ggml(ModelFiles(name="m", path=tmp_path), tmp_path / "ggml.bin")
    data = (tmp_path / "ggml.bin").read_bytes()
    assert struct.unpack_from("<12i", data) == (0x67676D6C, *range(1, 10), 80, 1)
    assert struct.unpack_from("<2i", data, 48) == (80, 201)
    at = 56 + 80 * 201 * 4
    assert data[at : at + 15] == struct.pack("<ii", 2, 1) + b"\xe9" + struct.pack("<i", 2) + b" a"
    tensor = struct.pack("<5i", 2, 8, 1, 3, 2) + b"a.weight" + bytes(12)
    assert data[at + 15 :] == tensor + struct.pack("<4i", 1, 6, 0, 2) + b"a.bias" + np.ones(2, np.float32).tobytes()
