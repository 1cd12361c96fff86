"""The options of an upload: the same checks for form fields and for query parameters."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from api.errors import field_faults
from api.faults import FieldFault, InvalidFieldsError
from api.fields import Fields
from core.config import Settings
from core.engines.catalogue import canonical, check_shape
from core.engines.models import ModelStore
from core.errors import InvalidRequestError
from core.languages import parse_language
from core.models import Options, TaskKind

MAX_PROMPT_CHARACTERS = 4_000
MAX_WORKERS = 1_024


def _language(value: Any) -> Any:
    """A refusal becomes a finding on this field; the sentence is the same."""
    try:
        return parse_language(value) if isinstance(value, str) else value
    except InvalidRequestError as error:
        raise ValueError(error.message) from error


class TaskOptions(Fields):
    """What a client may say about how its file is to be transcribed."""

    language: Annotated[str | None, BeforeValidator(_language)] = None
    model: str | None = None
    task: TaskKind = "transcribe"
    prompt: Annotated[str | None, Field(max_length=MAX_PROMPT_CHARACTERS)] = None
    temperature: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    word_timestamps: bool = False
    max_parallel_workers: Annotated[int | None, Field(ge=1, le=MAX_WORKERS)] = None


def parse_options(pairs: Sequence[tuple[str, str]], *, besides: Collection[str] = ()) -> TaskOptions:
    """Options from names and texts, as a form or a query has them. An empty text is the same as none.

    ``besides``: names that somebody else reads; they too may be given once. Raises ``InvalidFieldsError`` naming every
    field that is unknown, given twice, or not acceptable.
    """
    faults = _repeated(pairs)
    try:
        options = TaskOptions.model_validate({name: text for name, text in pairs if name not in besides})
    except ValidationError as error:
        faults += field_faults(error.errors(include_url=False, include_context=False))
        raise InvalidFieldsError(faults) from error
    if faults:
        raise InvalidFieldsError(faults)
    return options


def _repeated(pairs: Sequence[tuple[str, str]]) -> list[FieldFault]:
    counts = Counter(name for name, _ in pairs)
    twice = sorted(name for name, count in counts.items() if count > 1)
    return [FieldFault(field=name[:100], message="given more than once; give it once.") for name in twice]


async def engine_options(options: TaskOptions, settings: Settings, models: ModelStore) -> Options:
    """What the engine gets. Raises ``InvalidRequestError`` where the model cannot be had or cannot do what is asked."""
    model, language = await asyncio.to_thread(_resolve, options, settings, models)
    return Options(
        model=model,
        language=language,
        task=options.task,
        prompt=options.prompt,
        temperature=options.temperature,
        beam_size=settings.beam_size,
    )


def _resolve(options: TaskOptions, settings: Settings, models: ModelStore) -> tuple[str, str | None]:
    """Model and language. The default model may be a directory, and may lie with the workers only."""
    if settings.engine == "fake":
        named = check_shape(options.model) if options.model else settings.default_whisper_model
        return canonical(named), options.language
    if options.model is None:
        model = canonical(settings.default_whisper_model)
        models.check_task(model, options.task, options.language)
    else:
        model = models.check_name(options.model, options.task, options.language)
    english_only = options.language is None and not models.facts(model).multilingual
    return model, "en" if english_only else options.language
