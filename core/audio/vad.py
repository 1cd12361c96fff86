"""Voice activity: Silero VAD v6 over a stream, in constant memory.

Source: github.com/snakers4/silero-vad; the ONNX file is the one that faster-whisper ships. It takes rows of 64 samples
of context and 512 new ones, and carries an LSTM's state from row to row.
"""

import importlib.util
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelNotFoundError
from core.models import SAMPLE_RATE, Pcm

FRAME_SAMPLES = 512
_CONTEXT = 64
_BATCH = 938  # rows at once (30 s): 514 x real time on one core; in batches of 10,000: 271, of 64: 446
_SKIP_AFTER = SAMPLE_RATE // FRAME_SAMPLES  # frames of digital silence (1 s) before the network is left out

Probabilities = NDArray[np.float32]  # shape (frames,), 0 to 1, one per FRAME_SAMPLES


class StreamingVad:
    """Probability of speech per 512 samples. The result does not depend on how the audio is cut into ``feed`` calls."""

    def __init__(self) -> None:
        self._session = _session()
        self._rest = np.zeros(0, dtype=np.int16)
        self._context = np.zeros(_CONTEXT, dtype=np.int16)
        self._zero_run = 0
        self._h, self._c = _fresh_state()

    def feed(self, pcm: Pcm) -> Probabilities:
        """Probabilities of all frames that are whole by now. Bound by the processor: about 500 x real time."""
        audio = np.concatenate([self._context, self._rest, pcm])
        frames = (len(audio) - _CONTEXT) // FRAME_SAMPLES
        used = frames * FRAME_SAMPLES
        self._rest = audio[_CONTEXT + used :].copy()
        self._context = audio[used : used + _CONTEXT].copy()
        if frames == 0:
            return np.zeros(0, dtype=np.float32)
        stride = audio.strides[0]
        rows = np.lib.stride_tricks.as_strided(
            audio, (frames, _CONTEXT + FRAME_SAMPLES), (FRAME_SAMPLES * stride, stride), writeable=False
        )
        return self._judge(rows)

    def finish(self) -> Probabilities:
        """The last, partial frame, filled up with silence; empty where there is none."""
        if len(self._rest) == 0:
            return np.zeros(0, dtype=np.float32)
        return self.feed(np.zeros(FRAME_SAMPLES - len(self._rest), dtype=np.int16))

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
        parts = []
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH].astype(np.float32) / 32768
            output, self._h, self._c = self._session.run(None, {"input": batch, "h": self._h, "c": self._c})
            parts.append(output)
        return np.concatenate(parts)


def _fresh_state() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.zeros((1, 1, 128), dtype=np.float32), np.zeros((1, 1, 128), dtype=np.float32)


def _session() -> Any:
    # From its import on it would report to its maker, and leave a file in the temporary directory.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415 - 0.2 s and 60 MiB that only a worker needs

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1  # a second thread made it slower: 434 x instead of 514
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(_asset()), providers=["CPUExecutionProvider"], sess_options=options)


def _asset() -> Path:
    """The network's file, found without importing faster-whisper, which would load its own engine."""
    package = importlib.util.find_spec("faster_whisper")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        path = Path(folder) / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise ModelNotFoundError("The voice detector is missing; install faster-whisper 1.2.1 or later.")
