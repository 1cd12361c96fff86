"""Voice activity: Silero VAD v6 over a stream, in constant memory.

Source: github.com/snakers4/silero-vad; the ONNX file is the one that faster-whisper ships. It takes rows of 64 samples
of context and 512 new ones, and carries an LSTM's state from row to row.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelNotFoundError
from core.inference import inference
from core.models import SAMPLE_RATE, Pcm

FRAME_SAMPLES = 512
_CONTEXT = 64
_GROUP = 256  # frames at once (8 s): more are hardly faster, fewer are slower
_SIZES = (_GROUP, 64, 16, 4, 1)  # and no other: the network keeps memory for every size that it ever saw
_SKIP_AFTER = SAMPLE_RATE // FRAME_SAMPLES  # frames of digital silence (1 s) before the network is left out

Probabilities = NDArray[np.float32]  # shape (frames,), 0 to 1, one per FRAME_SAMPLES


class StreamingVad:
    """Probability of speech per 512 samples. The result does not depend on how the audio is cut into ``feed`` calls."""

    def __init__(self) -> None:
        self._network = _network().create_infer_request()
        self._rest = np.zeros(0, dtype=np.int16)
        self._context = np.zeros(_CONTEXT, dtype=np.int16)
        self._zero_run = 0
        self._frames = 0  # judged so far
        self._h, self._c = _fresh_state()

    def feed(self, pcm: Pcm) -> Probabilities:
        """Probabilities of all frames up to the last whole group. Bound by the processor.

        Groups are counted from the start of the stream: sums are made in another order in a batch of another size, and
        the last bits would tell how the audio came.
        """
        return self._take(pcm, lambda frames: frames - (self._frames + frames) % _GROUP)

    def finish(self) -> Probabilities:
        """What is left, the last, partial frame filled up with silence; empty where there is nothing."""
        missing = -len(self._rest) % FRAME_SAMPLES
        return self._take(np.zeros(missing, dtype=np.int16), lambda frames: frames)

    def _take(self, pcm: Pcm, share: Callable[[int], int]) -> Probabilities:
        audio = np.concatenate([self._context, self._rest, pcm])
        frames = max(0, share((len(audio) - _CONTEXT) // FRAME_SAMPLES))
        used = frames * FRAME_SAMPLES
        self._rest = audio[_CONTEXT + used :].copy()
        self._context = audio[used : used + _CONTEXT].copy()
        if frames == 0:
            return np.zeros(0, dtype=np.float32)
        stride = audio.strides[0]
        rows = np.lib.stride_tricks.as_strided(
            audio, (frames, _CONTEXT + FRAME_SAMPLES), (FRAME_SAMPLES * stride, stride), writeable=False
        )
        groups = [self._judge(rows[start : start + _GROUP]) for start in range(0, frames, _GROUP)]
        self._frames += frames
        return np.concatenate(groups)

    def _judge(self, rows: Pcm) -> Probabilities:
        """Rows that follow a second of digital silence and are silent too are 0 and reset the state; others are run."""
        skipped = self._skipped(rows)
        result = np.zeros(len(rows), dtype=np.float32)
        edges = [0, *(np.flatnonzero(np.diff(skipped)) + 1).tolist(), len(rows)]
        for start, end in pairwise(edges):
            if skipped[start]:
                self._h, self._c = _fresh_state()
            else:
                result[start:end] = self._run(rows[start:end])
        return result

    def _skipped(self, rows: Pcm) -> NDArray[np.bool_]:
        zero = ~rows.any(axis=1)
        index = np.arange(1, len(rows) + 1)
        last_sound = np.maximum.accumulate(np.where(zero, 0, index))
        run = np.where(last_sound > 0, index - last_sound, index + self._zero_run)
        self._zero_run = int(run[-1])
        return np.asarray(run > _SKIP_AFTER)

    def _run(self, rows: Pcm) -> Probabilities:
        return np.concatenate([self._infer(part) for part in _parts(rows)])

    def _infer(self, rows: Pcm) -> Probabilities:
        found = self._network.infer({"input": rows.astype(np.float32) / 32768, "h": self._h, "c": self._c})
        output, self._h, self._c = (found[name].copy() for name in ("speech_probs", "hn", "cn"))
        return np.asarray(output)


def _parts(rows: Pcm) -> Iterator[Pcm]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _fresh_state() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.zeros((1, 1, 128), dtype=np.float32), np.zeros((1, 1, 128), dtype=np.float32)


@cache
def _network() -> Any:
    """Compiled once; each stream has a request of its own."""
    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return inference().compile_model(str(_asset()), "CPU", options)


def _asset() -> Path:
    """The network's file, found without importing faster-whisper, which would load its own engine."""
    package = importlib.util.find_spec("faster_whisper")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        path = Path(folder) / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise ModelNotFoundError("The voice detector is missing; install faster-whisper 1.2.1 or later.")
