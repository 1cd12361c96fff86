"""CTranslate2's encoder for the compiled decoder."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import Weights, layers_of
from core.engines.features import Spectrogram
from core.engines.native.linear import Rows, apply, new_rows, pack

F32 = NDArray[np.float32]


class CTranslate2Encoder:
    """The keys and values are made of its output here, in 8 bits as CTranslate2 does it."""

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
