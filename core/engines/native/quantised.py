"""Encoders that were not made for the compiled decoder: what they give is quantised for it."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import Weights, layers_of
from core.engines.features import Spectrogram
from core.engines.native.linear import Rows, apply, new_rows
from core.engines.native.model import stacked
from core.engines.native.sound import Sound, pack_sound
from core.engines.openvino_encoder import OpenVinoEncoder

F32 = NDArray[np.float32]


class QuantisedOpenVino:
    """OpenVINO's keys and values."""

    def __init__(self, encoder: OpenVinoEncoder) -> None:
        self.mels, self.frames = encoder.mels, encoder.frames
        self._encoder = encoder

    def hear(self, mel: Spectrogram, sound: Sound, window: int) -> None:
        """See :class:`core.engines.native.backend.Encoder`."""
        for layer, projected in enumerate(self._encoder.project(mel)):
            pack_sound(layer, projected, 0, window, sound)


class QuantisedCTranslate2:
    """The keys and values are made of what CTranslate2's encoder has heard, in 8 bits as CTranslate2 does it."""

    def __init__(self, model: Any, weights: Weights) -> None:
        self.mels = int(model.n_mels)
        self.frames = int(weights["encoder/position_encodings/encodings"].shape[0])
        self._model = model
        self._layers = layers_of(weights, "decoder")
        self._linear = stacked(weights, [f"decoder/layer_{layer}/attention/linear_1" for layer in range(self._layers)])
        self._own = threading.local()

    def hear(self, mel: Spectrogram, sound: Sound, window: int) -> None:
        """See :class:`core.engines.native.backend.Encoder`."""
        import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

        states = self._model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True)
        heard = np.asarray(states, dtype=np.float32)[0]
        rows, made = self._room(heard.shape[1])
        for layer in range(self._layers):
            apply(heard, self.frames, self._linear, layer, made, rows)
            pack_sound(layer, made, 0, window, sound)

    def _room(self, width: int) -> tuple[Rows, F32]:
        if not hasattr(self._own, "room"):
            self._own.room = new_rows(self.frames, width), np.zeros((self.frames, 2 * width), np.float32)
        room: tuple[Rows, F32] = self._own.room
        return room
