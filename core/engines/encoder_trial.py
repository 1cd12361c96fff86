"""Times the encoders on one window: the child process of :mod:`core.engines.encoder_choice`.

`python -m core.engines.encoder_trial MODEL_DIRECTORY COMPUTE_TYPE` prints seconds by encoder as one JSON object. Ends
when its standard input does.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from core.engines.ct2_file import read_plain_weights
from core.engines.features import Spectrogram
from core.engines.model_files import ModelFiles
from core.engines.native.hearing import CompiledEncoder
from core.engines.openvino_encoder import OpenVinoEncoder

ROUNDS = 3
LONG_SECONDS = 2.0  # whoever takes so long for a window shows with one where it stands

Encode = Callable[[Spectrogram], object]


def main() -> None:
    """Print it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    path, compute_type = Path(sys.argv[-2]), sys.argv[-1]
    sys.stdout.write(json.dumps(compare(ModelFiles(name=path.name, path=path), compute_type)))
    sys.stdout.flush()
    os._exit(0)  # nothing here is worth an orderly end


def compare(files: ModelFiles, compute_type: str) -> Mapping[str, float]:
    """Seconds a window on one thread. What is in the window does not matter."""
    weights = read_plain_weights(files.weights)
    openvino = OpenVinoEncoder(weights, None, streams=1, keys=False, exact=compute_type == "float32")
    encoders: dict[str, Encode] = {"openvino": openvino.project, "ctranslate2": _ctranslate2(files, compute_type)}
    if compute_type != "float32":
        encoders["compiled"] = CompiledEncoder(weights).project
    return best_of_rounds(encoders, np.zeros((1, openvino.mels, 2 * openvino.frames), np.float32))


def best_of_rounds(encoders: Mapping[str, Encode], mel: Spectrogram) -> Mapping[str, float]:
    """The best of a few rounds in turn, after one that does not count: kernels may still have to be compiled."""
    for encode in encoders.values():
        encode(mel)
    seconds = {name: _timed(encode, mel) for name, encode in encoders.items()}
    for _ in range(ROUNDS if max(seconds.values()) < LONG_SECONDS else 0):
        for name, encode in encoders.items():
            seconds[name] = min(seconds[name], _timed(encode, mel))
    return {name: round(each, 4) for name, each in seconds.items()}


def _timed(encode: Encode, mel: Spectrogram) -> float:
    began = time.perf_counter()
    encode(mel)
    return time.perf_counter() - began


def _ctranslate2(files: ModelFiles, compute_type: str) -> Encode:
    from core.engines.ctranslate2 import Places, load_model, storage  # noqa: PLC0415  heavy

    model = load_model(files, device="cpu", compute_type=compute_type, places=Places(workers=1))
    return lambda mel: model.encode(storage(mel), to_cpu=True)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
