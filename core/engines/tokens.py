"""The token sequences that go into the decoder, and the way back from tokens to words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import EngineError
from core.models import Options, TaskKind

MAX_PROMPT_TOKENS = 223  # half of the decoder's context of 448, less one for the token that opens the prompt


class TokenBook:
    """The tokenizer of one model. Safe to use from several threads: what it caches is the same whoever computes it."""

    def __init__(self, path: Path, *, multilingual: bool) -> None:
        import tokenizers  # noqa: PLC0415  heavy: only where a model is loaded

        self._multilingual = multilingual
        self._base: Any = tokenizers.Tokenizer.from_file(str(path))
        self._speakers: dict[tuple[str, TaskKind], Any] = {}

    @property
    def start_token(self) -> int:
        """The token before every transcript."""
        token: int = self._base.token_to_id("<|startoftranscript|>")
        return token

    def languages(self, tokens: Sequence[int]) -> list[str]:
        """The code of the language that each of these tokens stands for."""
        return [self._base.id_to_token(token).strip("<|>") for token in tokens]

    def speaker(self, options: Options) -> Any:
        """The ``faster_whisper`` tokenizer for these options. Raises ``EngineError`` where the model has none."""
        key = (self._language(options), options.task)
        if key not in self._speakers:
            self._speakers[key] = self._new_speaker(*key)
        return self._speakers[key]

    def start(self, options: Options) -> list[int]:
        """The start-of-transcript sequence: language and task too, where the model knows more than one language."""
        return [int(token) for token in self.speaker(options).sot_sequence]

    def prompt(self, options: Options) -> list[int]:
        """All that stands before the text: the end of the client's prompt, the start sequence, "no timestamps"."""
        speaker = self.speaker(options)
        said: list[int] = []
        if options.prompt and options.prompt.strip():
            said = [speaker.sot_prev, *speaker.encode(" " + options.prompt.strip())[-MAX_PROMPT_TOKENS:]]
        return [*said, *self.start(options), speaker.no_timestamps]

    def suppressed(self, options: Options) -> list[int]:
        """Tokens that are never speech: marks of annotations, and the control tokens, as in OpenAI's decoder."""
        speaker = self.speaker(options)
        control = ("transcribe", "translate", "sot", "sot_prev", "sot_lm", "no_speech")
        ids = {getattr(speaker, name) for name in control} | set(speaker.non_speech_tokens)
        return sorted(token for token in ids if token is not None)

    def _language(self, options: Options) -> str:
        if options.language is None:
            raise EngineError("The language of the windows was not set; find it with detect_language first.")
        if not self._multilingual and (options.language != "en" or options.task != "transcribe"):
            raise EngineError(
                f"Model {options.model!r} is English-only: it cannot {options.task} {options.language!r}. "
                "Use a multilingual model such as 'base'."
            )
        return options.language

    def _new_speaker(self, language: str, task: TaskKind) -> Any:
        from faster_whisper.tokenizer import Tokenizer  # noqa: PLC0415  heavy: only where a model is loaded

        try:
            speaker = Tokenizer(self._base, self._multilingual, task=task, language=language)
        except ValueError as error:
            raise EngineError(f"Whisper knows no language {language!r}; use an ISO 639-1 code such as 'en'.") from error
        if self._multilingual and speaker.language is None:
            raise EngineError(
                f"This model was not trained on language {language!r}; use a newer one, such as 'large-v3'."
            )
        return speaker
