"""The encoders that the compiled decoder can listen to: OpenVINO's, and CTranslate2's own."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import Weights, layers_of
from core.engines.features import Spectrogram
from core.engines.native.linear import Rows, apply, new_rows, pack
from core.inference import inference

F32 = NDArray[np.float32]


class OpenVinoEncoder:
    """Whisper's encoder, and the decoder's keys and values, as one OpenVINO model made of the weights themselves.

    ``cache``: a directory for what was compiled. One infer request for each thread; precision: bfloat16 where the
    processor computes in it, else 32 bits.
    """

    def __init__(self, weights: Weights, cache: Path | None) -> None:
        from core.engines.native.graph import encoder_model  # noqa: PLC0415  needs OpenVINO

        self.mels = int(weights["encoder/conv1/weight"].shape[1])
        self.frames = int(weights["encoder/position_encodings/encodings"].shape[0])
        self._layers = layers_of(weights, "decoder")
        self._own = threading.local()
        core = inference()
        self._compiled = core.compile_model(encoder_model(weights), "CPU", _properties(core, cache))

    def project(self, mel: Spectrogram) -> Sequence[F32]:
        """See :class:`core.engines.native.backend.Encoder`."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        self._own.request.infer({0: mel}, share_inputs=True)
        return [self._own.request.get_output_tensor(layer).data[0] for layer in range(self._layers)]


def _properties(core: Any, cache: Path | None) -> dict[str, Any]:
    native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    properties: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if native else "f32",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
    }
    return properties if cache is None else {**properties, "CACHE_DIR": str(cache)}


class CTranslate2Encoder:
    """CTranslate2's encoder; the keys and values are made of its output here, in 8 bits as CTranslate2 does it."""

    def __init__(self, model: Any, weights: Weights) -> None:
        self.mels = int(model.n_mels)
        self.frames = int(weights["encoder/position_encodings/encodings"].shape[0])
        self._model = model
        self._layers = layers_of(weights, "decoder")
        places = [f"decoder/layer_{layer}/attention/linear_1" for layer in range(self._layers)]
        self._linear = pack([weights[f"{at}/weight"] for at in places], [weights[f"{at}/bias"] for at in places])
        self._own = threading.local()

    def project(self, mel: Spectrogram) -> Sequence[F32]:
        """See :class:`core.engines.native.backend.Encoder`."""
        import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

        states = self._model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True)
        heard = np.asarray(states, dtype=np.float32)[0]
        rows, made = self._room(heard.shape[1])
        for layer in range(self._layers):
            apply(heard, self.frames, self._linear, layer, made[layer], rows)
        return made

    def _room(self, width: int) -> tuple[Rows, list[F32]]:
        if not hasattr(self._own, "room"):
            made = [np.zeros((self.frames, 2 * width), np.float32) for _ in range(self._layers)]
            self._own.room = new_rows(self.frames, width), made
        room: tuple[Rows, list[F32]] = self._own.room
        return room
