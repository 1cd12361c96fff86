"""Voice activity: Silero VAD over a stream, in constant memory."""

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.audio.frames import CONTEXT, FRAME_SAMPLES, Probabilities
from core.models import SAMPLE_RATE, Pcm

_SKIP_AFTER = SAMPLE_RATE // FRAME_SAMPLES  # frames of digital silence (1 s) before the network is left out


class StreamingVad:
    """Probability of speech per 512 samples. The result does not depend on how the audio is cut into ``feed`` calls."""

    def __init__(self) -> None:
        from core.audio.silero.judge import Detector  # noqa: PLC0415  a compiler: only where audio is cut

        self._detector = Detector()
        self._rest = np.zeros(0, dtype=np.int16)
        self._context = np.zeros(CONTEXT, dtype=np.int16)
        self._zero_run = 0

    def feed(self, pcm: Pcm) -> Probabilities:
        """Probabilities of all whole frames so far. Bound by the processor; other threads go on."""
        return self._take(pcm)

    def finish(self) -> Probabilities:
        """Of the last, partial frame, filled up with silence; empty where there is none."""
        return self._take(np.zeros(-len(self._rest) % FRAME_SAMPLES, dtype=np.int16))

    def _take(self, pcm: Pcm) -> Probabilities:
        audio = np.concatenate([self._context, self._rest, pcm])
        used = (len(audio) - CONTEXT) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = audio[CONTEXT + used :].copy()
        self._context = audio[used : used + CONTEXT].copy()
        return self._judge(audio[: used + CONTEXT])

    def _judge(self, audio: Pcm) -> Probabilities:
        """Frames that follow a second of digital silence and are silent too are 0 and reset the state."""
        if len(audio) == CONTEXT:
            return np.zeros(0, dtype=np.float32)
        skipped = self._skipped(sliding_window_view(audio, CONTEXT + FRAME_SAMPLES)[::FRAME_SAMPLES])
        result = np.zeros(len(skipped), dtype=np.float32)
        edges = [0, *(np.flatnonzero(np.diff(skipped)) + 1).tolist(), len(skipped)]
        for start, end in pairwise(edges):
            if skipped[start]:
                self._detector.forget()
            else:
                piece = audio[start * FRAME_SAMPLES : end * FRAME_SAMPLES + CONTEXT]
                self._detector.judge(piece, result[start:end])
        return result

    def _skipped(self, rows: Pcm) -> NDArray[np.bool_]:
        zero = ~rows.any(axis=1)
        index = np.arange(1, len(rows) + 1)
        last_sound = np.maximum.accumulate(np.where(zero, 0, index))
        run = np.where(last_sound > 0, index - last_sound, index + self._zero_run)
        self._zero_run = int(run[-1])
        return np.asarray(run > _SKIP_AFTER)
