"""What a transcript is made of when it is read from beginning to end."""

import re
from dataclasses import dataclass
from typing import Literal

from core.models import SAMPLE_RATE, Coverage, Task, TaskKind, Word
from core.states import TaskStatus

GapReason = Literal["failed", "cancelled", "pending"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptSegment:
    """A segment in the task's time (seconds from its start), with the figures of the window that it starts in."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...]
    tokens: tuple[int, ...] = ()  # empty where the segment was rebuilt at a forced cut
    seek_samples: int = 0  # where that window starts
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Audio without text, in seconds from the task's start. ``pending``: not transcribed yet."""

    start: float
    end: float
    reason: GapReason


Piece = TranscriptSegment | Gap


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptHeader:
    """What a transcript says about itself as a whole."""

    task_id: str
    status: TaskStatus
    task: TaskKind
    language: str | None  # of the audio, as a code; None until it is found
    duration_seconds: float | None  # None until the whole file is decoded
    coverage: Coverage
    model: str
    complete: bool  # True when every window is there
    word_timestamps: bool

    @property
    def text_language(self) -> str | None:
        """The language that the text is in: English for a translation."""
        return "en" if self.task == "translate" else self.language


def header_of(task: Task) -> TranscriptHeader:
    """The header for a task as it is stored now."""
    return TranscriptHeader(
        task_id=task.id,
        status=task.status,
        task=task.options.task,
        language=task.options.language,
        duration_seconds=None if task.duration_samples is None else task.duration_samples / SAMPLE_RATE,
        coverage=task.coverage,
        model=task.options.model,
        complete=task.status is TaskStatus.COMPLETED,
        word_timestamps=task.word_timestamps,
    )


def spread(text: str, start: float, end: float) -> tuple[Word, ...]:
    """Words for a text that has none, their times shared out by length: an estimate, with probability 0."""
    parts = re.findall(r"\s*\S+", text)
    total = sum(map(len, parts))
    words: list[Word] = []
    done = 0
    for part in parts:
        begin = start + (end - start) * done / total
        done += len(part)
        words.append(Word(start=begin, end=start + (end - start) * done / total, text=part, probability=0.0))
    return tuple(words)
