"""Writing the texts of a batch of windows, token by token."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.engines.native.choose import candidates, draw
from core.engines.native.desk import Desk
from core.engines.native.forward import Batch, forward, logits
from core.engines.native.sound import Sound

I64 = NDArray[np.int64]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_NOTHING_KEPT = np.zeros((0, 0, 0), np.float32)
_NO_HEADS = np.zeros((0, 2), np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What may be written. ``sot``: place of the start-of-transcript token in the prompt."""

    prompt: Sequence[int]
    sot: int
    end: int
    no_speech: int | None
    vocabulary: int
    forbidden: Sequence[int]
    forbidden_first: Sequence[int]
    most_tokens: int
    beams: int = 1
    no_repeat: int = 0
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One finished text: its tokens without the end, the sum of the log-probabilities, the end's included."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    total: float
    no_speech_prob: float

    @property
    def rank(self) -> float:
        """The longer text is not worse for being longer."""
        return self.total / max(1, len(self.tokens))


@dataclass(slots=True)
class _Window:
    """One window's search: the rows that still grow and what has ended."""

    rows: int
    ended: list[Text] = field(default_factory=list)
    no_speech_prob: float = 0.0


class Writer:
    """One batch. Rows ``window * beams + beam``; a row's slot in the memory has the same number."""

    def __init__(
        self, desk: Desk, sound: Sound, windows: Sequence[int], rules: Rules, check: Callable[[], None]
    ) -> None:
        self._desk = desk
        self._sound = sound
        self._which = windows
        self._rules = rules
        self._check = check
        self._windows = [_Window(rows=rules.beams if rules.temperature > 0 else 1) for _ in windows]
        rows = len(windows) * rules.beams
        places = len(rules.prompt) + rules.most_tokens + 1
        self._table = np.repeat(np.arange(rows)[:, None], places, axis=1)
        self._tokens = np.zeros((rows, rules.most_tokens + 1), np.int64)
        self._logprobs = np.zeros((rows, rules.most_tokens + 1), np.float32)
        self._totals = np.zeros(rows, np.float64)
        self._random = np.random.default_rng(rules.seed)
        frames = sound.keys.shape[3] * sound.keys.shape[5]
        desk.reserve(max(rows, len(windows) * len(rules.prompt)), frames)
        desk.reserve_scores(rows)

    def write(self) -> list[Text]:
        """The best text of each window."""
        self._read_prompt()
        for length in range(self._rules.most_tokens):
            live = [row for number, window in enumerate(self._windows) for row in self._rows_of(number, window)]
            if not live:
                break
            self._check()
            if length > 0:
                self._advance(live, length)
            self._choose(live, length)
        return [self._best(number, window) for number, window in enumerate(self._windows)]

    def first_scores(self) -> F32:
        """The score of every token after the first window's prompt."""
        self._read_prompt()
        return self._desk.scores[0, : self._rules.vocabulary]

    def _rows_of(self, number: int, window: _Window) -> range:
        start = number * self._rules.beams
        return range(start, start + window.rows)

    def _read_prompt(self) -> None:
        """All windows at once; the first beam of each reads, the others share what it has read."""
        rules, count, length = self._rules, len(self._which), len(self._rules.prompt)
        first = np.arange(count) * rules.beams
        self._table[:, :length] = np.repeat(first, rules.beams)[:, None]
        self._forward(
            np.tile(np.asarray(rules.prompt, np.int64), count),
            np.tile(np.arange(length), count),
            np.repeat(np.arange(count), length),
            np.repeat(first, length),
        )
        hidden = self._desk.bench.y[: count * length].reshape(count, length, -1)
        at_start, last = hidden[:, rules.sot].copy(), hidden[:, -1].copy()
        if rules.no_speech is not None:
            self._score(at_start)
            for number, window in enumerate(self._windows):
                window.no_speech_prob = _probability(self._desk.scores[number, : rules.vocabulary], rules.no_speech)
        self._score(np.repeat(last, self._windows[0].rows, axis=0))

    def _score(self, hidden: F32) -> None:
        self._desk.bench.y[: len(hidden)] = hidden
        logits(self._desk.model, self._desk.bench, len(hidden), self._desk.scores)

    def _advance(self, live: list[int], length: int) -> None:
        rows = np.asarray(live)
        position = len(self._rules.prompt) + length - 1
        self._table[rows, position] = rows
        self._forward(self._tokens[rows, length - 1], np.full(len(rows), position), rows // self._rules.beams, rows)
        logits(self._desk.model, self._desk.bench, len(rows), self._desk.scores)

    def _forward(self, tokens: I64, positions: I64, windows: I64, slots: I64) -> None:
        memory = self._desk.memory(self._table.shape[1], len(self._table))
        which = np.asarray(self._which)[windows]
        batch = Batch(tokens, positions, which, slots, self._table[slots])
        forward(self._desk.model, self._sound, batch, memory, self._desk.bench, _NOTHING_KEPT, _NO_HEADS)

    def _choose(self, live: list[int], length: int) -> None:
        tokens, values = self._drawn(live, length) if self._rules.temperature > 0 else self._likeliest(live, length)
        grow = self._follow if self._rules.temperature > 0 else self._grow
        at = 0
        for number, window in enumerate(self._windows):
            rows = window.rows
            if rows:
                grow(number, window, tokens[at : at + rows], values[at : at + rows], length)
            at += rows

    def _likeliest(self, live: list[int], length: int) -> tuple[I64, F32]:
        """One more than there are beams, since one of them may end the text."""
        rules, desk = self._rules, self._desk
        places = 1 if rules.beams == 1 else rules.beams + 1
        tokens, values = np.zeros((len(live), places), np.int64), np.zeros((len(live), places), np.float32)
        lengths = np.full(len(live), length)
        candidates(
            desk.scores, len(live), rules.vocabulary, self._forbidden(length), self._tokens[live], lengths,
            rules.no_repeat, tokens, values,
        )  # fmt: skip
        return tokens, values

    def _drawn(self, live: list[int], length: int) -> tuple[I64, F32]:
        rules, desk = self._rules, self._desk
        tokens, values = np.zeros((len(live), 1), np.int64), np.zeros((len(live), 1), np.float32)
        chances = self._random.random(len(live), np.float32)
        draw(
            desk.scores, len(live), rules.vocabulary, self._forbidden(length), rules.temperature, chances, tokens,
            values, desk.scratch,
        )  # fmt: skip
        return tokens, values

    def _forbidden(self, length: int) -> I64:
        return np.asarray(self._rules.forbidden if length else self._rules.forbidden_first, np.int64)

    def _follow(self, number: int, window: _Window, tokens: I64, values: F32, length: int) -> None:
        """Every text goes on with what was drawn for it."""
        start = number * self._rules.beams
        sums = self._totals[start : start + window.rows, None] + values
        kept = []
        for row in range(window.rows):
            if tokens[row, 0] == self._rules.end:
                window.ended.append(self._text(start + row, length, float(sums[row, 0]), window))
            else:
                kept.append((row, int(tokens[row, 0]), 0))
        self._keep(start, kept, values, sums, length)
        window.rows = len(kept)

    def _grow(self, number: int, window: _Window, tokens: I64, values: F32, length: int) -> None:
        """Keep the likeliest continuations of one window; those that end the text leave the search."""
        start, beams = number * self._rules.beams, self._rules.beams
        sums = self._totals[start : start + window.rows, None] + values
        kept: list[tuple[int, int, int]] = []
        order = np.argsort(-sums, axis=None, kind="stable")
        for flat in order[: 2 * beams]:
            row, place = divmod(int(flat), values.shape[1])
            if tokens[row, place] == self._rules.end:
                window.ended.append(self._text(start + row, length, float(sums[row, place]), window))
            elif len(kept) < beams:
                kept.append((row, int(tokens[row, place]), place))
            if len(kept) == beams:
                break
        if len(window.ended) >= beams:
            window.rows = 0
            return
        self._keep(start, kept, values, sums, length)
        window.rows = len(kept)

    def _keep(self, start: int, kept: list[tuple[int, int, int]], values: F32, sums: F64, length: int) -> None:
        sources = [start + row for row, _, _ in kept]
        target = slice(start, start + len(kept))
        self._table[target], self._tokens[target], self._logprobs[target] = (
            self._table[sources],
            self._tokens[sources],
            self._logprobs[sources],
        )
        for beam, (row, token, place) in enumerate(kept):
            self._tokens[start + beam, length] = token
            self._logprobs[start + beam, length] = values[row, place]
        self._totals[target] = [sums[row, place] for row, _, place in kept]

    def _text(self, row: int, length: int, total: float, window: _Window) -> Text:
        return Text(
            tokens=tuple(self._tokens[row, :length].tolist()),
            logprobs=tuple(self._logprobs[row, :length].tolist()),
            total=total,
            no_speech_prob=window.no_speech_prob,
        )

    def _best(self, number: int, window: _Window) -> Text:
        """Texts that reached the limit count as they are."""
        rows = self._rows_of(number, window)
        cut = [self._text(row, self._rules.most_tokens, float(self._totals[row]), window) for row in rows]
        return max(window.ended + cut, key=lambda text: text.rank)


def _probability(scores: F32, token: int) -> float:
    high = float(scores.max())
    return float(np.exp(float(scores[token]) - high) / np.exp(scores - high).sum())
