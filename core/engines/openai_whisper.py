"""OpenAI's own Whisper, on PyTorch: the reference that the other engines are compared with.

A model is not to be shared by threads: its decoder hangs hooks on its layers while it writes. So every thread has
layers of its own, and all of them the same weights in memory.
"""

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.engines.agreement import Votes
from core.engines.alignment import SAMPLES_PER_FRAME, TokenTimes
from core.engines.ct2_file import HEAD, read_plain_weights
from core.engines.model_files import ModelFiles
from core.engines.openai_weights import dimensions, named
from core.engines.quality import Attempt, Search
from core.engines.tokens import TokenBook
from core.models import Options, Pcm

BEST_OF = 5  # texts drawn at a temperature above 0, of which the most probable is kept
SAMPLES_PER_STEP = 2 * SAMPLES_PER_FRAME
SMOOTHED = 7  # steps of 20 ms, as in OpenAI's timing


def load_model(files: ModelFiles, device: str) -> Any:
    """OpenAI's model with the weights of these files. On a GPU it computes in 16 bits, else in 32."""
    import torch  # noqa: PLC0415  the extra
    from whisper.model import ModelDimensions, Whisper  # noqa: PLC0415  the extra

    torch.set_num_threads(1)  # a slot is a thread; several to one window are worth less
    weights = read_plain_weights(files.weights)
    model = Whisper(ModelDimensions(**dimensions(weights)))
    model.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in named(weights).items()})
    model = model.to(device).eval()
    return model.half() if device == "cuda" else model


class OpenAIBackend:
    """Implements :class:`core.engines.backend.Backend`. ``heads`` int64 (n, 2): layer and head of those of the decoder
    that follow the sound."""

    def __init__(self, model: Any, files: ModelFiles, heads: NDArray[np.int64]) -> None:
        self._model = model
        self._heads = heads
        self._own = threading.local()
        self.multilingual = bool(model.is_multilingual)
        self.book = TokenBook(files.tokenizer, multilingual=self.multilingual)

    def hear(self, windows: Iterable[Pcm], check: Callable[[], None]) -> Any:
        """The encoder's output: a tensor (windows, 1500, width)."""
        import torch  # noqa: PLC0415  the extra

        heard = []
        for pcm in windows:
            check()
            heard.append(self._encoded(pcm))
        return torch.cat(heard)

    def decode(
        self, heard: Any, which: Sequence[int], options: Options, search: Search, check: Callable[[], None]
    ) -> list[Attempt]:
        """OpenAI's decoding task, with a rule more: see :class:`_Heed`. One window after the other: with beams or
        samples it takes no more than one."""
        from whisper.decoding import DecodingTask  # noqa: PLC0415  the extra

        self.book.speaker(options)  # refuses what this model cannot do
        attempts = []
        for index in which:
            task = DecodingTask(self._copy, self._decoding(options, search))
            task.logit_filters.append(_Heed(check, search.no_repeat_tokens, task.sample_begin))
            (result,) = task.run(heard[index : index + 1])
            attempts.append(self._attempt(result, options, search))
        return attempts

    def align(
        self, heard: Any, attempts: Sequence[Attempt], samples: Sequence[int], options: Options
    ) -> list[TokenTimes | None]:
        """OpenAI's way: one more pass over each text, and the cheapest way through what the heads listened to."""
        return [
            self._aligned(heard[index : index + 1], attempt.tokens, length // SAMPLES_PER_STEP, options)
            if attempt.tokens
            else None
            for index, (attempt, length) in enumerate(zip(attempts, samples, strict=True))
        ]

    def votes(self, pcm: Pcm) -> Votes:
        """OpenAI's own language detection."""
        from whisper.decoding import detect_language  # noqa: PLC0415  the extra

        _, found = detect_language(self._copy, self._encoded(pcm))
        return dict(found[0])

    @property
    def _copy(self) -> Any:
        """This thread's own layers, with everybody's weights."""
        if not hasattr(self._own, "model"):
            shared = [*self._model.parameters(), *self._model.buffers()]
            self._own.model = copy.deepcopy(self._model, {id(tensor): tensor for tensor in shared})
        return self._own.model

    def _encoded(self, pcm: Pcm) -> Any:
        import torch  # noqa: PLC0415  the extra
        from whisper.audio import N_SAMPLES, log_mel_spectrogram, pad_or_trim  # noqa: PLC0415  the extra

        audio = torch.from_numpy(pcm.astype(np.float32) / 32768)
        mel = log_mel_spectrogram(pad_or_trim(audio, N_SAMPLES), self._model.dims.n_mels)
        with torch.no_grad():
            return self._copy.encoder(mel[None].to(self._model.device, self._kind))

    @property
    def _kind(self) -> Any:
        return next(self._model.parameters()).dtype

    def _decoding(self, options: Options, search: Search) -> Any:
        import torch  # noqa: PLC0415  the extra
        from whisper.decoding import DecodingOptions  # noqa: PLC0415  the extra

        drawn = search.temperature > 0
        return DecodingOptions(
            task=options.task,
            language=options.language,
            temperature=search.temperature,
            best_of=BEST_OF if drawn else None,
            beam_size=search.beam_size if search.beam_size > 1 and not drawn else None,
            prompt=(options.prompt or "").strip() or None,
            without_timestamps=True,
            fp16=self._kind == torch.float16,
        )

    def _attempt(self, result: Any, options: Options, search: Search) -> Attempt:
        speaker = self.book.speaker(options)
        tokens = tuple(int(token) for token in result.tokens if token < speaker.eot)
        return Attempt(
            tokens=tokens,
            text=speaker.decode(list(tokens)).strip(),
            temperature=search.temperature,
            avg_logprob=float(result.avg_logprob),
            no_speech_prob=float(result.no_speech_prob),
        )

    def _aligned(self, heard: Any, text: Sequence[int], steps: int, options: Options) -> TokenTimes:
        import torch  # noqa: PLC0415  the extra
        from whisper.timing import dtw, median_filter  # noqa: PLC0415  the extra

        speaker, begin = self.book.speaker(options), self.book.start(options)
        tokens = torch.tensor([[*begin, speaker.no_timestamps, *text, speaker.eot]], device=self._model.device)
        with torch.no_grad(), _listening(self._copy, self._heads) as noted:
            logits = self._copy.logits(tokens, heard)[0]
        chances = logits[len(begin) : -2, : speaker.eot].float().softmax(dim=-1)
        shares = torch.stack(noted(max(SMOOTHED, steps)))
        spread, mean = torch.std_mean(shares, dim=-2, keepdim=True, unbiased=False)
        matrix = median_filter((shares - mean) / spread, SMOOTHED).mean(axis=0)[len(begin) : -1]
        rows, places = dtw(-matrix)
        return TokenTimes(
            starts=places[np.flatnonzero(np.diff(rows, prepend=-1))].astype(np.int64),
            probabilities=chances[range(len(text)), list(text)].tolist(),
        )


class _Heed:
    """Between two tokens: whether anybody still wants the text, and that no sequence comes a second time."""

    def __init__(self, check: Callable[[], None], size: int, begin: int) -> None:
        self._check = check
        self._size = size
        self._begin = begin

    def apply(self, logits: Any, tokens: Any) -> None:
        """Called by OpenAI's decoder: ``logits`` (rows, vocabulary), ``tokens`` (rows, said so far)."""
        self._check()
        if self._size == 0:
            return
        for row, said in enumerate(tokens[:, self._begin :].tolist()):
            for token in _closing(said, self._size):
                logits[row, token] = -np.inf


def _closing(said: Sequence[int], size: int) -> set[int]:
    """The tokens that would make a sequence of ``size`` tokens come again."""
    last = said[len(said) - size + 1 :] if len(said) >= size - 1 else None
    return {said[at + size - 1] for at in range(len(said) - size + 1) if last == said[at : at + size - 1]}


@contextmanager
def _listening(model: Any, heads: NDArray[np.int64]) -> Iterator[Callable[[int], list[Any]]]:
    """Note what the heads ask and what they are offered; gives their shares of the first steps, (tokens, steps) each.

    OpenAI's own code switches the fast attention off instead, for all threads of the process at once.
    """
    noted: dict[tuple[int, str], Any] = {}
    hooks = []

    def note(layer: int, name: str) -> Callable[[Any, Any, Any], None]:
        def keep(_: Any, __: Any, output: Any) -> None:
            noted[layer, name] = output[0]

        return keep

    for layer in {int(layer) for layer, _ in heads}:
        attention = model.decoder.blocks[layer].cross_attn
        hooks += [getattr(attention, name).register_forward_hook(note(layer, name)) for name in ("query", "key")]

    def shares(steps: int) -> list[Any]:
        found = []
        for layer, head in heads.tolist():
            place = slice(head * HEAD, (head + 1) * HEAD)
            asked, offered = noted[layer, "query"][:, place].float(), noted[layer, "key"][:steps, place].float()
            found.append((asked @ offered.T * HEAD**-0.5).softmax(dim=-1))
        return found

    try:
        yield shares
    finally:
        for hook in hooks:
            hook.remove()
