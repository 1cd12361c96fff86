"""Audio and speech probabilities in, windows out: pure, streaming, holding at most a few windows' length (ADR 0004)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.audio.clock import ClockPacker
from core.audio.frames import Probabilities
from core.audio.loudness import Loudness
from core.audio.packing import PausePacker
from core.audio.spans import Span, SpanFinder
from core.audio.tape import Tape
from core.models import Cut, CutPlan, Pcm

Piece = tuple[Cut, Pcm]


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """All samples of the audio, and how many of them the detector calls speech."""

    samples: int
    speech_samples: int


class _Packer(Protocol):
    @property
    def needed_from(self) -> int: ...
    def step(self, span: Span | None) -> Iterator[Cut]: ...
    def finish(self, span: Span | None, total: int) -> Iterator[Cut]: ...


class Splitter:
    """Cuts one audio by a plan. The windows do not depend on how the audio is divided into ``feed`` calls."""

    def __init__(self, plan: CutPlan) -> None:
        self._tape = Tape()
        self._loudness = Loudness(self._tape)
        self._finder = SpanFinder()
        self._packer: _Packer = (
            ClockPacker(self._finder, plan.chunk_seconds)
            if plan.strategy == "fixed"
            else PausePacker(self._finder, self._loudness.quiet_point)
        )
        self._speech_samples = 0

    @property
    def totals(self) -> Totals:
        """What was seen so far; final after :meth:`finish`."""
        return Totals(samples=self._tape.end, speech_samples=self._speech_samples)

    @property
    def held_samples(self) -> int:
        """How much audio is in memory."""
        return self._tape.held

    def feed(self, pcm: Pcm, probabilities: Probabilities) -> list[Piece]:
        """More audio, and the probabilities of all frames that are whole by now. Returns the windows that are final.

        ``pcm`` is kept, not copied: nobody may change it afterwards.
        """
        self._tape.append(pcm)
        self._loudness.append(probabilities)
        pieces = [piece for span in self._finder.feed(probabilities) for piece in self._step(span)]
        self._tape.forget(self._packer.needed_from)
        self._loudness.forget(self._packer.needed_from)
        return pieces

    def finish(self, probabilities: Probabilities | None = None) -> list[Piece]:
        """The audio has ended; ``probabilities``: of the last, partial frame, if any. Returns the last windows."""
        rest = np.zeros(0, dtype=np.float32) if probabilities is None else probabilities
        pieces = self.feed(np.zeros(0, dtype=np.int16), rest)
        span = self._count(self._finder.close())
        return pieces + list(self._pieces(self._packer.finish(span, self._tape.end)))

    def _step(self, span: Span | None) -> Iterator[Piece]:
        return self._pieces(self._packer.step(self._count(span)))

    def _count(self, span: Span | None) -> Span | None:
        if span is not None:
            self._speech_samples += min(span.end, self._tape.end) - span.start
        return span

    def _pieces(self, cuts: Iterable[Cut]) -> Iterator[Piece]:
        for cut in cuts:
            yield cut, self._tape.read(cut.start, cut.end)
