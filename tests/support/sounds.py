"""Long audio of known make: clips at known places, sounds that are no speech, files of hours that cost no memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.models import SAMPLE_RATE, Pcm
from tests.helpers_audio import CLIPS, clip, wav_header

FRAME = SAMPLE_RATE // 100  # 10 ms

Wave = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """One clip: its samples, its words, and where in it somebody begins to speak, in seconds."""

    pcm: Pcm
    words: str
    onset: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A clip at a place: ``onset`` in seconds from the start of the whole."""

    onset: float
    words: str


def onset_of(pcm: Pcm) -> float:
    """Seconds until the first 10 ms within 20 dB of the loudest 10 ms, if 3 of the next 5 are so too.

    By energy alone, so that the truth owes nothing to the detector or the model that it judges.
    """
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    power = np.mean(frames**2, axis=1)
    loud = power > power.max() / 100
    steady = [index for index in np.flatnonzero(loud) if loud[index : index + 6].sum() >= 4]
    return int(steady[0]) * FRAME / SAMPLE_RATE


def spoken() -> list[Spoken]:
    """The clips of tests/data with what is said in them."""
    found = []
    for index, path in enumerate(CLIPS):
        pcm = clip(index)
        found.append(Spoken(pcm=pcm, words=path.with_suffix(".txt").read_text().strip(), onset=onset_of(pcm)))
    return found


def trimmed(pcm: Pcm, longest_pause: float = 0.05) -> Pcm:
    """The same speech with no quiet stretch longer than ``longest_pause`` seconds, at its ends neither."""
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    quiet = power < power.max() / 100
    keep, run = [], 0
    for index, silent in enumerate(quiet):
        run = run + 1 if silent else 0
        if run * FRAME <= longest_pause * SAMPLE_RATE:
            keep.append(index)
    return frames[keep].reshape(-1)


def joined(clips: Sequence[Spoken], gaps: Sequence[float]) -> tuple[Pcm, list[Placed]]:
    """Each clip after a gap of so many seconds; where they all begin to speak."""
    parts: list[Pcm] = []
    places: list[Placed] = []
    total = 0
    for one, gap in zip(clips, gaps, strict=True):
        silence = np.zeros(round(gap * SAMPLE_RATE), dtype=np.int16)
        total += len(silence)
        places.append(Placed(onset=total / SAMPLE_RATE + one.onset, words=one.words))
        parts += [silence, one.pcm]
        total += len(one.pcm)
    return np.concatenate(parts), places


def scattered(path: Path, pieces: Sequence[tuple[float, Pcm]], seconds: float) -> Path:
    """A WAV of digital silence with PCM at the given seconds; a sparse file, however long."""
    size = round(seconds * SAMPLE_RATE) * 2
    with path.open("wb") as file:
        file.write(wav_header(rate=SAMPLE_RATE, data_bytes=size))
        file.truncate(44 + size)
        for start, pcm in pieces:
            file.seek(44 + round(start * SAMPLE_RATE) * 2)
            file.write(pcm.tobytes())
    return path


def repeated(path: Path, pcm: Pcm, seconds: float) -> Path:
    """A WAV of the same audio again and again, ``seconds`` long."""
    left = round(seconds * SAMPLE_RATE)
    with path.open("wb") as file:
        file.write(wav_header(rate=SAMPLE_RATE, data_bytes=2 * left))
        while left > 0:
            file.write(pcm[:left].tobytes())
            left -= len(pcm)
    return path


def white_noise(seconds: float) -> Pcm:
    """At -30 dB of full scale."""
    return _scaled(np.random.default_rng(1).normal(size=round(seconds * SAMPLE_RATE)))


def pink_noise(seconds: float) -> Pcm:
    """Power falling with frequency, as rain and traffic have it."""
    white = np.fft.rfft(np.random.default_rng(2).normal(size=round(seconds * SAMPLE_RATE)))
    return _scaled(np.fft.irfft(white / np.sqrt(np.arange(1, len(white) + 1))))


def mains_hum(seconds: float) -> Pcm:
    """50 Hz and its overtones."""
    times = _times(seconds)
    return _scaled(_overtones(50, times, 9))


def music(seconds: float) -> Pcm:
    """Four chords on an organ of few overtones, half a second each, again and again."""
    chords = ((220.0, 277.2, 329.6), (293.7, 370.0, 440.0), (329.6, 415.3, 493.9), (220.0, 277.2, 329.6))
    times = _times(seconds)
    step = (times * 2).astype(int) % len(chords)
    swell = 0.3 + 0.7 * np.exp(-4 * (times * 2 % 1))
    tones = [_organ(chord, times) * (step == index) for index, chord in enumerate(chords)]
    return _scaled(swell * np.sum(tones, axis=0))


def _organ(chord: Sequence[float], times: Wave) -> Wave:
    waves: Wave = np.sum([_overtones(hertz, times, 5) for hertz in chord], axis=0)
    return waves


def _overtones(hertz: float, times: Wave, below: int) -> Wave:
    waves: Wave = np.sum([np.sin(2 * np.pi * hertz * n * times) / n for n in range(1, below)], axis=0)
    return waves


def _times(seconds: float) -> Wave:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _scaled(wave: Wave, level: float = 0.03) -> Pcm:
    pcm: Pcm = (wave / np.sqrt(np.mean(wave**2)) * level * 32767).clip(-32768, 32767).astype(np.int16)
    return pcm


def blocks_of_wav(total_bytes: int, block: bytes) -> Iterator[bytes]:
    """A WAV of that many bytes, made while it is sent."""
    yield wav_header(rate=SAMPLE_RATE, data_bytes=total_bytes - 44)
    for _ in range((total_bytes - 44) // len(block)):
        yield block
    yield block[: (total_bytes - 44) % len(block)]
