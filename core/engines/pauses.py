"""Where a window is silent, and word times corrected by it.

Whisper's attention lets a word begin where the one before it ended, so the first word after a pause starts too early by
up to the whole pause. The window's own energy knows better where sound begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.engines.alignment import TimedWord, within
from core.models import SAMPLE_RATE, Pcm

FRAME_SAMPLES = 160  # 10 ms
MIN_PAUSE_SECONDS = 0.2
MIN_CONTRAST_DB = 15.0  # less between loud and quiet: noise or music, where energy tells nothing
REACH_SECONDS = 0.6  # a word boundary further than this from a pause has nothing to do with it
TOUCH_SECONDS = 0.1  # the alignment is in steps of 20 ms and off by a few: so near to a pause is at it
_DEPTH_DB = 20.0  # a pause is this far below loud speech; soft consonants are quieter, but shorter than a pause
_RISE_DB = 6.0  # what stands out of a pause's own noise by this is the soft edge of a word
_EDGE_FRAMES = 15  # such an edge is at most 150 ms long
_NOISE_FRAMES = 30  # the noise beside an edge is judged over 300 ms: rooms change where recordings are joined
_BLIP_FRAMES = 5  # sounds inside a pause shorter than this, after smoothing over three frames, are clicks


Loudness = NDArray[np.float64]  # shape (frames,), decibels


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """A silence in seconds from the window's start."""

    start: float
    end: float

    def distance(self, begin: float, end: float) -> float:
        """How far what lasts from ``begin`` to ``end`` is outside the pause; 0 where some of it is inside."""
        return max(self.start - end, begin - self.end, 0.0)


def find_pauses(pcm: Pcm) -> list[Pause]:
    """Every stretch of at least 0.2 s without speech, the window's first and last ones included."""
    loud = _loudness_db(pcm)
    if len(loud) == 0:
        return []
    high, low = np.percentile(loud, 95), np.percentile(loud, 5)
    if high - low < MIN_CONTRAST_DB:
        return []
    quiet = ~_without_blips(loud >= high - min(_DEPTH_DB, 0.8 * (high - low)))
    step = FRAME_SAMPLES / SAMPLE_RATE
    long = [(begin, end) for begin, end in _edges(quiet) if (end - begin) * step >= MIN_PAUSE_SECONDS]
    return [
        Pause(start=begin * step, end=end * step)
        for begin, end in (_trimmed(loud, *edges) for edges in long)
        if (end - begin) * step >= MIN_PAUSE_SECONDS
    ]


def _trimmed(loud: Loudness, begin: int, end: int) -> tuple[int, int]:
    """The run of quiet frames without the soft end of the word before it and the soft start of the one after."""
    return begin + _soft_frames(loud[begin:end]), end - _soft_frames(loud[begin:end][::-1])


def _soft_frames(quiet: Loudness) -> int:
    """How many of the first frames stand out of the noise that follows them."""
    noise = float(np.median(quiet[:_NOISE_FRAMES]))
    below = np.flatnonzero(quiet[:_EDGE_FRAMES] < noise + _RISE_DB)
    return int(below[0]) if len(below) else min(_EDGE_FRAMES, len(quiet) // 2)


def correct(words: Sequence[TimedWord], pauses: Sequence[Pause], seconds: float) -> list[TimedWord]:
    """The words with the boundary nearest to each pause moved onto the pause's two edges. Between two words that do not
    touch (a full stop has no time) all that lies between them is the boundary."""
    if not words:
        return []
    times = [(item.word.start, item.word.end) for item in words]
    for pause in pauses:
        _snap(times, pause, seconds)
    moved = [
        replace(item, word=replace(item.word, start=start, end=max(start, end)))
        for item, (start, end) in zip(words, times, strict=True)
    ]
    return within(moved, seconds)


def _snap(times: list[tuple[float, float]], pause: Pause, seconds: float) -> None:
    edges = [times[0][:1], *((times[i - 1][1], times[i][0]) for i in range(1, len(times))), times[-1][1:]]
    distances = [pause.distance(min(edge), max(edge)) for edge in edges]
    if min(distances) > REACH_SECONDS:
        return
    nearest = distances.index(min(distances))
    if pause.end < seconds:
        nearest = next((at for at in range(nearest) if _fills(times[at], distances[at], pause)), nearest)
    if nearest > 0 and pause.start - times[nearest - 1][1] <= REACH_SECONDS:
        start, _ = times[nearest - 1]
        times[nearest - 1] = (min(start, pause.start), pause.start)
    if nearest < len(times) and times[nearest][0] - pause.end <= REACH_SECONDS:
        _begin_at(times, nearest, pause.end)


def _fills(times: tuple[float, float], distance: float, pause: Pause) -> bool:
    """Whether a word begins where the pause does and reaches far into it. Words begin too early, they do not end too
    late: it was said after the pause."""
    return distance <= TOUCH_SECONDS and times[1] > pause.start + TOUCH_SECONDS


def _begin_at(times: list[tuple[float, float]], index: int, moment: float) -> None:
    """A word that ended before has the time until the next one, or half of the next one's: both were said in it."""
    _, end = times[index]
    if end <= moment and index + 1 < len(times):
        start, following = times[index + 1]
        end = start if start > moment else (moment + max(moment, following)) / 2
        times[index + 1] = (end, max(end, following))
    times[index] = (moment, max(moment, end))


def _loudness_db(pcm: Pcm) -> Loudness:
    """Mean power of each frame, averaged with its neighbours, in decibels over one step of 16 bit."""
    frames = len(pcm) // FRAME_SAMPLES
    blocks = pcm[: frames * FRAME_SAMPLES].reshape(frames, FRAME_SAMPLES).astype(np.float64)
    power = np.mean(blocks**2, axis=1)
    smooth = np.convolve(np.pad(power, 1, mode="edge"), np.full(3, 1 / 3), mode="valid") if frames else power
    loud: Loudness = 10.0 * np.log10(smooth + 1.0)
    return loud


def _without_blips(sound: NDArray[np.bool_]) -> NDArray[np.bool_]:
    cleaned = sound.copy()
    for begin, end in _edges(sound):
        if end - begin < _BLIP_FRAMES:
            cleaned[begin:end] = False
    return cleaned


def _edges(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """``[begin, end)`` of every run of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(steps[::2], steps[1::2], strict=True)]
