"""Whisper's encoder in OpenVINO, from the weights of a CTranslate2 model."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.ct2_file import Weights
from core.engines.features import Spectrogram
from core.engines.inference import inference
from core.niceness import give_way

F32 = NDArray[np.float32]


class OpenVinoEncoder:
    """One compiled graph, with a stream for each slot and one infer request for each thread.

    Requests are queued, not run by the thread that makes them: OpenVINO ties such a thread to one stream for good, so
    that two slots can wait for each other beside an idle stream. ``keys``: it makes the keys and values of the
    decoder's layers too; else it ends with what the encoder has heard. ``cache``: a directory for what was compiled.
    ``exact``: in 32 bits; else in bfloat16 where the processor computes in it.
    """

    def __init__(self, weights: Weights, cache: Path | None, *, streams: int, keys: bool, exact: bool = False) -> None:
        from core.engines.openvino_graph import encoder_model  # noqa: PLC0415  heavy: only where a model is loaded

        self.mels = int(weights["encoder/conv1/weight"].shape[1])
        self.frames = int(weights["encoder/position_encodings/encodings"].shape[0])
        self._own = threading.local()
        properties = _properties(streams, cache, exact=exact)
        with ThreadPoolExecutor(1, initializer=give_way) as pool:  # the streams' threads are as urgent as their maker
            compiling = pool.submit(inference().compile_model, encoder_model(weights, keys=keys), "CPU", properties)
        self._compiled = compiling.result()

    def project(self, mel: Spectrogram) -> list[F32]:
        """Keys and values side by side for each layer of the decoder, (frames, 2 * width); or, without ``keys``, one
        array (frames, width). Valid until the next call of the same thread."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        self._own.request.start_async({0: mel}, share_inputs=True)
        self._own.request.wait()
        return [self._own.request.get_output_tensor(at).data[0] for at in range(len(self._compiled.outputs))]


def _properties(streams: int, cache: Path | None, *, exact: bool) -> dict[str, Any]:
    native = "BF16" in inference().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    properties: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if native and not exact else "f32",
        "INFERENCE_NUM_THREADS": streams,
        "NUM_STREAMS": streams,
    }
    return properties if cache is None else {**properties, "CACHE_DIR": str(cache)}
