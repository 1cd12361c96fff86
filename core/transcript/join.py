"""From chunk documents in order to one transcript, streamed: at most two chunks are in memory at a time."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from core.models import SAMPLE_RATE, Chunk, Cut, WindowResult, Word
from core.states import ChunkState
from core.transcript.overlap import Fused, Heard, Origin, fuse
from core.transcript.pieces import Gap, GapReason, Piece, TranscriptSegment, spread

PAUSE = SAMPLE_RATE // 2  # a sentence does not go on over a longer pause
LONGEST_MERGED = 30 * SAMPLE_RATE  # two segments are not made one beyond this
SENTENCE_ENDS = tuple(".?!。！？｡…؟۔।॥։።")  # noqa: RUF001 - full-width and other scripts' marks are meant
CLOSERS = "\"'”’»)]」』）"  # noqa: RUF001 - likewise

_REASONS: dict[ChunkState, GapReason] = {ChunkState.FAILED: "failed", ChunkState.CANCELLED: "cancelled"}


async def join(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Piece]:
    """The transcript of one task: segments in its own time, and a gap for the core of every chunk that is not done.

    ``chunks``: in the order of their index. Times are exact, ``(cut.start + round(t * 16000)) / 16000`` for a time
    ``t`` in a window, changed only to keep order where neighbours overlap. Without overlaps segments stay as they are.
    Gaps with nothing between them but silence are one: a running task would else have one for each waiting chunk.
    """
    gap: Gap | None = None
    async for piece in _pieces(chunks):
        if isinstance(piece, Gap) and gap is not None and gap.reason == piece.reason:
            gap = replace(gap, end=piece.end)
            continue
        if gap is not None:
            yield gap
        gap = piece if isinstance(piece, Gap) else None
        if gap is None:
            yield piece
    if gap is not None:
        yield gap


async def _pieces(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Piece]:
    joiner = _Joiner()
    async for chunk in chunks:
        for piece in joiner.add(chunk):
            yield piece
    for piece in joiner.flush():
        yield piece


class _Joiner:
    """Holds the words of the last chunk back until its right neighbour is known."""

    def __init__(self) -> None:
        self._words: list[Heard] = []
        self._cut: Cut | None = None  # of the last chunk, when that was done
        self._clock = 0  # samples: where the last segment ended

    def add(self, chunk: Chunk) -> Iterator[Piece]:
        """Take one more chunk; gives what no later chunk can change."""
        if chunk.state is not ChunkState.DONE or chunk.result is None:
            yield from self.flush()
            yield _gap(chunk)
            return
        words = hear(chunk.cut, chunk.result)
        if self._cut is not None and _neighbours(self._cut, chunk.cut):
            yield from self._release(fuse(self._words, words, self._cut, chunk.cut))
        else:
            yield from self.flush()
            self._words = _from_border(words, chunk.cut)
        self._cut = chunk.cut

    def flush(self) -> Iterator[Piece]:
        """Give everything: there is no neighbour to wait for."""
        words = self._words if self._cut is None else _to_border(self._words, self._cut)
        self._words, self._cut = [], None
        for draft in _drafts(words):
            yield self._settle(draft)

    def _release(self, fused: Fused) -> Iterator[Piece]:
        """Give the segments that end before the border; the one that is open there may still grow."""
        seen = 0
        for draft in _drafts(fused.words):
            if seen + len(draft) > fused.crossing:
                break
            seen += len(draft)
            yield self._settle(draft)
        self._words = fused.words[seen:]

    def _settle(self, draft: Sequence[Heard]) -> TranscriptSegment:
        """A segment from its words, its times never before the end of the last one."""
        begin = max(self._clock, min(draft[0].span_start, draft[0].start))
        self._clock = begin
        words = tuple(self._word(heard) for heard in draft)
        self._clock = max(self._clock, draft[-1].span_end)
        return _segment(draft, words, begin, self._clock)

    def _word(self, heard: Heard) -> Word:
        start = max(heard.start, self._clock)
        self._clock = max(heard.end, start)
        seconds, end_seconds = start / SAMPLE_RATE, self._clock / SAMPLE_RATE
        return Word(start=seconds, end=end_seconds, text=heard.text, probability=heard.probability)


def hear(cut: Cut, result: WindowResult) -> list[Heard]:
    """All words of a window in the task's time. A segment without words gets estimated ones."""
    heard: list[Heard] = []
    for segment in result.segments:
        words = segment.words or spread(segment.text, segment.start, segment.end)
        end = _at(cut, segment.end)
        origin = Origin(cut=cut, result=result, segment=segment, word_count=len(words), end=end)
        spans = [_heard(cut, word, origin) for word in words]
        if spans:
            spans[0] = replace(spans[0], span_start=_at(cut, segment.start))
            spans[-1] = replace(spans[-1], span_end=end)
        heard += spans
    return heard


def _heard(cut: Cut, word: Word, origin: Origin) -> Heard:
    start, end = _at(cut, word.start), _at(cut, word.end)
    return Heard(
        start=start,
        end=end,
        text=word.text,
        probability=word.probability,
        origin=origin,
        span_start=start,
        span_end=end,
    )


def _at(cut: Cut, seconds: float) -> int:
    """A time in a window as samples from the task's start; an engine's time outside its window is its edge."""
    return min(max(cut.start + round(seconds * SAMPLE_RATE), cut.start), cut.end)


def _gap(chunk: Chunk) -> Gap:
    # A chunk that says done and has nothing to show is lost text, so it is told like any other failure.
    reason = "failed" if chunk.state is ChunkState.DONE else _REASONS.get(chunk.state, "pending")
    return Gap(start=chunk.cut.core_start / SAMPLE_RATE, end=chunk.cut.core_end / SAMPLE_RATE, reason=reason)


def _neighbours(left: Cut, right: Cut) -> bool:
    return left.index + 1 == right.index and left.overlaps_right and right.overlaps_left


def _from_border(words: list[Heard], cut: Cut) -> list[Heard]:
    """Without a left neighbour's words, this window's count from its own core on."""
    if not cut.overlaps_left:
        return words
    kept = [word for word in words if word.middle >= cut.core_start]
    return [_clipped(word, cut.core_start, cut.end) for word in kept]


def _to_border(words: list[Heard], cut: Cut) -> list[Heard]:
    """Without a right neighbour's words, this window's count up to the end of its own core."""
    if not cut.overlaps_right:
        return words
    kept = [word for word in words if word.middle < cut.core_end]
    return [_clipped(word, 0, cut.core_end) for word in kept]


def _clipped(word: Heard, low: int, high: int) -> Heard:
    def clip(sample: int) -> int:
        return min(max(sample, low), high)

    start, end = clip(word.start), clip(word.end)
    return replace(word, start=start, end=end, span_start=clip(word.span_start), span_end=clip(word.span_end))


def _drafts(words: Sequence[Heard]) -> Iterator[list[Heard]]:
    """The words of one segment after the other."""
    draft: list[Heard] = []
    for word in words:
        if draft and _breaks(draft, word):
            yield draft
            draft = []
        draft.append(word)
    if draft:
        yield draft


def _breaks(draft: Sequence[Heard], word: Heard) -> bool:
    """Whether a new segment starts here. Over a forced cut one goes on until it ends, pauses or grows too long."""
    last = draft[-1]
    if last.origin is word.origin:
        return False
    if last.origin.cut.index == word.origin.cut.index:
        return True
    too_long = max(word.origin.end, word.end) - draft[0].start > LONGEST_MERGED
    return too_long or word.start - last.end >= PAUSE or ends_sentence(last.text)


def ends_sentence(text: str) -> bool:
    """Whether a text closes its sentence, quotation marks and brackets behind the full stop aside."""
    return text.rstrip().rstrip(CLOSERS).endswith(SENTENCE_ENDS)


def _segment(draft: Sequence[Heard], words: tuple[Word, ...], start: int, end: int) -> TranscriptSegment:
    origin = draft[0].origin
    whole = len(draft) == origin.word_count and all(word.origin is origin for word in draft)
    result, segment = origin.result, origin.segment
    return TranscriptSegment(
        start=start / SAMPLE_RATE,
        end=end / SAMPLE_RATE,
        text=segment.text if whole else _text(draft),
        words=words,
        tokens=segment.tokens if whole else (),
        seek_samples=origin.cut.start,
        temperature=result.temperature,
        avg_logprob=result.avg_logprob,
        compression_ratio=result.compression_ratio,
        no_speech_prob=result.no_speech_prob,
    )


def _text(draft: Sequence[Heard]) -> str:
    """The words joined; where a window's first word came without its space, the other window shows that one is due."""
    text = draft[0].text
    for before, word in pairwise(draft):
        bare = before.origin.cut is not word.origin.cut and before.text[:1].isspace() and not word.text[:1].isspace()
        text += f" {word.text}" if bare else word.text
    return text
