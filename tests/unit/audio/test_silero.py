"""The compiled voice detector against the same file run by OpenVINO."""

from pathlib import Path

import numpy as np
import pytest

from core.audio.frames import CONTEXT, FRAME_SAMPLES
from core.audio.silero import network as weights
from core.audio.silero.judge import judge
from core.audio.silero.network import BLOCK, Network, network, new_bench
from core.audio.silero.onnx import read_nodes
from core.engines.inference import inference
from core.errors import ModelNotFoundError
from core.models import Pcm
from tests.helpers_audio import clip, noise, silence

AUDIO = np.concatenate([clip(0), silence(0.5), noise(2), clip(1), (32767 * np.sign(noise(1))).astype(np.int16)])


def as_openvino_finds_it(pcm: Pcm) -> np.ndarray:
    """Frame after frame."""
    request = inference().compile_model(str(weights._asset()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    h = c = np.zeros((1, 1, 128), np.float32)
    found = []
    for start in range(0, len(pcm) - CONTEXT - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        row = pcm[None, start : start + CONTEXT + FRAME_SAMPLES].astype(np.float32) / 32768
        answer = request({"input": row, "h": h, "c": c})
        h, c = answer["hn"].copy(), answer["cn"].copy()
        found.append(float(answer["speech_probs"][0]))
    return np.array(found)


def test_it_finds_what_openvino_finds() -> None:
    """In speech, silence, noise and clipping; over many frames, whose state goes on."""
    bench, found = new_bench(), np.zeros((len(AUDIO) - CONTEXT) // FRAME_SAMPLES, np.float32)
    judge(network(), AUDIO, found, bench)
    wanted = as_openvino_finds_it(AUDIO)
    assert len(found) > 3 * BLOCK
    assert 0.2 < (wanted > 0.5).mean() < 0.9
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.fixture
def asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of its own instead of the network's."""
    path = tmp_path / "silero_vad_v6.onnx"
    path.write_bytes(weights._asset().read_bytes())
    monkeypatch.setattr(weights, "_asset", lambda: path)
    return path


def read() -> Network:
    """Not the one that is kept."""
    return network.__wrapped__()


@pytest.mark.parametrize("size", [0, 1, 100, 50_000])
def test_a_file_that_breaks_off_is_named(asset: Path, size: int) -> None:
    """With what is wrong."""
    asset.write_bytes(asset.read_bytes()[:size])
    with pytest.raises(ModelNotFoundError, match=r"silero_vad_v6\.onnx is not Silero VAD v6"):
        read()


def test_a_network_of_another_shape_is_refused(asset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version would be heard wrongly."""
    nodes = [node for node in read_nodes(asset) if node.kind != "LSTM"]
    monkeypatch.setattr(weights, "read_nodes", lambda _path: nodes)
    with pytest.raises(ModelNotFoundError, match="other shapes"):
        read()


def test_another_kind_of_file_is_refused(asset: Path) -> None:
    """Whatever its bytes say."""
    asset.write_bytes(b"RIFF" + bytes(range(256)) * 9)
    with pytest.raises(ModelNotFoundError):
        read()


@pytest.mark.parametrize("row", [0, 5, 128, 129, 200])
def test_spectra_of_another_kind_are_refused(asset: Path, monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    """A fast transform would not give what they give."""
    nodes = read_nodes(asset)
    basis = next(node for node in nodes if node.kind == "Conv").weights
    basis[0] = basis[0].copy()
    basis[0][row, 0, 77] += 1e-3
    monkeypatch.setattr(weights, "read_nodes", lambda _path: nodes)
    with pytest.raises(ModelNotFoundError, match="not those of a window"):
        read()
