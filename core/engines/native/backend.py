"""Whisper with an encoder of one's choice and the compiled decoder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import length_hint
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.config import usable_cores
from core.engines.agreement import Votes
from core.engines.alignment import SAMPLES_PER_FRAME, TokenTimes
from core.engines.ct2_file import HEAD
from core.engines.features import Spectrogram, new_bands, spectrogram
from core.engines.model_files import ModelFiles
from core.engines.native.desk import Desk
from core.engines.native.model import Model
from core.engines.native.pool import Pool
from core.engines.native.search import Rules, Text, Writer
from core.engines.native.sound import Sound, first_of, new_sound
from core.engines.native.timing import starts
from core.engines.quality import Attempt, Search
from core.engines.tokens import TokenBook
from core.models import Options, Pcm

MOST_TOKENS = 224  # half of the decoder's context, as in OpenAI's decoder
BEST_OF = 5  # texts drawn at a temperature above 0, of which the most probable is kept
SAMPLES_PER_STEP = 2 * SAMPLES_PER_FRAME
LEAST_STEPS = 4
MULTILINGUAL_TOKENS = 51_865


class Encoder(Protocol):
    """Turns spectrograms into what the decoder's layers listen to."""

    frames: int
    mels: int

    def hear(self, mel: Spectrogram, sound: Sound, window: int) -> None:
        """Fill one window of ``sound``. From any thread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What a model's files say beside its weights: ``vocabulary`` in tokens, ``alignment_heads`` int64 (n, 2) as layer
    and head of those that follow the sound, ``languages`` the token of each."""

    vocabulary: int
    alignment_heads: NDArray[np.int64]
    languages: tuple[int, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any], *, vocabulary: int) -> "Shape":
        """From a model's ``config.json``."""
        heads = np.array(facts["alignment_heads"], np.int64).reshape(-1, 2)
        return cls(vocabulary=vocabulary, alignment_heads=heads, languages=tuple(facts.get("lang_ids", ())))

    @property
    def multilingual(self) -> bool:
        """English-only models have one token less."""
        return self.vocabulary >= MULTILINGUAL_TOKENS


def _go_on() -> None:
    """Nobody is asked whether the result is still wanted."""


class NativeBackend:
    """Implements :class:`core.engines.backend.Backend`. As many threads write at once as there are cores."""

    def __init__(self, model: Model, encoder: Encoder, shape: Shape, files: ModelFiles) -> None:
        self._model = model
        self._encoder = encoder
        self._shape = shape
        self.multilingual = shape.multilingual
        self.book = TokenBook(files.tokenizer, multilingual=self.multilingual)
        self._bands = new_bands(encoder.mels)
        self._desks = Pool(lambda: Desk(model), usable_cores())
        self._small_desk = Pool(lambda: Desk(model), 1)  # a new task's language does not wait for a batch
        self._largest = 1  # batch that there was room for

    def warm(self) -> None:
        """Compile what is not compiled yet, so that no window waits for it: seconds once, else one window's time."""
        with ThreadPoolExecutor(1) as pool:  # what OpenVINO keeps for a thread goes with this one
            pool.submit(self._rehearse).result()

    def _rehearse(self) -> None:
        heard, begin = self.hear([np.zeros(SAMPLES_PER_STEP, np.int16)], _go_on), [self.book.start_token]
        with self._desks.one() as desk:
            Writer(desk, heard, [0], replace(self._first_rules(), most_tokens=2, beams=2), _go_on).write()
            starts(desk, heard, 0, begin, begin, LEAST_STEPS, self._shape.alignment_heads)

    def hear(self, windows: Iterable[Pcm], check: Callable[[], None]) -> Sound:
        """Keys and values of every window, in 8 bits."""
        sound, count = self._room(length_hint(windows)), 0
        for pcm in windows:
            check()
            self._encoder.hear(spectrogram(self._bands, pcm), sound, count)
            count += 1
        return first_of(sound, count)

    def _room(self, windows: int) -> Sound:
        """For so many, and as much as the largest batch of any slot has had: how much memory a worker takes shows in
        its first minutes, and not when all slots happen to have their largest batch at once."""
        if windows == 1:  # perhaps on a thread that never has a batch
            return self._new_sound(1)
        try:
            sound = self._new_sound(max(windows, self._largest))
        except MemoryError:
            self._largest = windows
            return self._new_sound(windows)
        self._largest = max(windows, self._largest)
        return sound

    def _new_sound(self, windows: int) -> Sound:
        layers, width = self._model.own_norm.scale.shape
        return new_sound(windows, layers, width // HEAD, self._encoder.frames)

    def decode(
        self, heard: Sound, which: Sequence[int], options: Options, search: Search, check: Callable[[], None]
    ) -> list[Attempt]:
        """One attempt for each window."""
        rules = self._rules(options, search)
        with self._desks.one() as desk:
            check()  # it may have had to wait
            texts = Writer(desk, heard, list(which), rules, check).write()
        return [self._attempt(text, options, search) for text in texts]

    def align(
        self, heard: Sound, attempts: Sequence[Attempt], samples: Sequence[int], options: Options
    ) -> list[TokenTimes | None]:
        """One more pass over each text, in which the heads that follow the sound are watched."""
        begin = [*self.book.start(options), self.book.speaker(options).no_timestamps]
        return [
            self._aligned(heard, index, attempt, length, begin) if attempt.tokens else None
            for index, (attempt, length) in enumerate(zip(attempts, samples, strict=True))
        ]

    def votes(self, pcm: Pcm) -> Votes:
        """The share of each language token after the start of a transcript."""
        heard = self.hear([pcm], _go_on)
        tokens = list(self._shape.languages)
        with self._small_desk.one() as desk:
            scores = Writer(desk, heard, [0], self._first_rules(), _go_on).first_scores()[tokens]
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        return dict(zip(self.book.languages(tokens), chances.tolist(), strict=True))

    def _aligned(self, heard: Sound, index: int, attempt: Attempt, samples: int, begin: Sequence[int]) -> TokenTimes:
        steps = min(self._encoder.frames, max(LEAST_STEPS, samples // SAMPLES_PER_STEP))
        with self._desks.one() as desk:
            found = starts(desk, heard, index, begin, attempt.tokens, steps, self._shape.alignment_heads)
        return TokenTimes(starts=found, probabilities=attempt.probabilities)

    def _rules(self, options: Options, search: Search) -> Rules:
        speaker, prompt = self.book.speaker(options), self.book.prompt(options)
        never = [*self.book.suppressed(options), *range(speaker.timestamp_begin, self._shape.vocabulary)]
        never += [token for token in range(speaker.eot + 1, speaker.timestamp_begin) if token not in never]
        return Rules(
            prompt=prompt,
            sot=prompt.index(speaker.sot),
            end=speaker.eot,
            no_speech=speaker.no_speech,
            vocabulary=self._shape.vocabulary,
            forbidden=never,
            forbidden_first=[*never, *speaker.encode(" "), speaker.eot],
            most_tokens=min(MOST_TOKENS, len(self._model.positions) - len(prompt)),
            beams=BEST_OF if search.temperature > 0 else search.beam_size,
            no_repeat=search.no_repeat_tokens,
            temperature=search.temperature,
        )

    def _first_rules(self) -> Rules:
        return Rules(
            prompt=[self.book.start_token],
            sot=0,
            end=0,
            no_speech=None,
            vocabulary=self._shape.vocabulary,
            forbidden=(),
            forbidden_first=(),
            most_tokens=1,
        )

    def _attempt(self, text: Text, options: Options, search: Search) -> Attempt:
        speaker: Any = self.book.speaker(options)
        return Attempt(
            tokens=text.tokens,
            text=speaker.decode(list(text.tokens)).strip(),
            temperature=search.temperature,
            avg_logprob=text.total / (len(text.tokens) + 1),
            no_speech_prob=text.no_speech_prob,
            probabilities=tuple(np.exp(text.logprobs).tolist()),
        )
