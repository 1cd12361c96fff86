"""What a client may ask for, and how it is refused."""

import time
from pathlib import Path

import pytest

from api.faults import InvalidFieldsError
from api.options import MAX_PROMPT_CHARACTERS, TaskOptions, engine_options, parse_options
from core.config import Settings
from core.engines.models import ModelStore
from core.errors import InvalidRequestError


def faulty(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Field to message of a refusal."""
    with pytest.raises(InvalidFieldsError) as caught:
        parse_options(pairs)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_texts_become_values() -> None:
    """As a form or a query writes them."""
    pairs = [
        ("language", "German"),
        ("model", "base"),
        ("task", "translate"),
        ("prompt", "Names: Ada, Grace."),
        ("temperature", "0.2"),
        ("word_timestamps", "true"),
        ("max_parallel_workers", "3"),
    ]
    options = parse_options(pairs)
    assert (options.language, options.model, options.task) == ("de", "base", "translate")
    assert (options.temperature, options.word_timestamps, options.max_parallel_workers) == (0.2, True, 3)
    assert options.prompt == "Names: Ada, Grace."


def test_an_empty_text_is_as_good_as_none() -> None:
    """Forms send every field, also those that nobody filled in."""
    assert parse_options([(name, "") for name in TaskOptions.model_fields]) == TaskOptions()


def test_a_typo_is_not_ignored() -> None:
    """Every unknown field is named, an empty one too."""
    assert set(faulty([("langauge", "de"), ("modle", "")])) == {"langauge", "modle"}


def test_a_field_given_twice_is_refused() -> None:
    """Nobody can know which of the two was meant."""
    assert set(faulty([("language", "de"), ("language", "en")])) == {"language"}


def test_many_fields_take_no_longer_than_their_number() -> None:
    """Each name is looked at once, not once for every other: that took ten seconds of everybody's time."""
    began = time.process_time()
    faulty([(letter, "") for letter in "abcdefgh" * 4_000])
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("language", "klingon"),
        ("task", "summarise"),
        ("temperature", "1.01"),
        ("temperature", "-0.1"),
        ("temperature", "nan"),
        ("temperature", "warm"),
        ("word_timestamps", "maybe"),
        ("max_parallel_workers", "0"),
        ("max_parallel_workers", "9" * 30),
        ("prompt", "x" * (MAX_PROMPT_CHARACTERS + 1)),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, text: str) -> None:
    """One finding, on that field."""
    assert set(faulty([(field, text)])) == {field}


def test_the_limits_themselves_are_allowed() -> None:
    """Off-by-one here would refuse what the documentation promises."""
    options = parse_options(
        [("prompt", "x" * MAX_PROMPT_CHARACTERS), ("temperature", "1"), ("max_parallel_workers", "1")]
    )
    assert options.temperature == 1.0


async def test_an_english_only_model_is_asked_for_english_only(tmp_path: Path) -> None:
    """No other language, no translation; and with no language given, English is known, not to be found."""
    settings = Settings(_env_file=None, data_dir=tmp_path)
    store = ModelStore(tmp_path, download=True)
    for wanted in (TaskOptions(model="tiny.en", language="de"), TaskOptions(model="tiny.en", task="translate")):
        with pytest.raises(InvalidRequestError, match="English only"):
            await engine_options(wanted, settings, store)
    assert (await engine_options(TaskOptions(model="tiny.en"), settings, store)).language == "en"
    assert (await engine_options(TaskOptions(model="base"), settings, store)).language is None


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "~root", "a/b", "..", "x" * 101])
@pytest.mark.parametrize("engine", ["fake", "faster-whisper"])
async def test_a_client_s_model_is_never_a_path(tmp_path: Path, name: str, engine: str) -> None:
    """Whatever the engine."""
    settings = Settings(_env_file=None, data_dir=tmp_path, engine=engine)
    with pytest.raises(InvalidRequestError) as caught:
        await engine_options(TaskOptions(model=name), settings, ModelStore(tmp_path, download=True))
    assert caught.value.code == "invalid_model"


async def test_a_model_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    """With the store's sentence on how to get it, not with a task that fails later."""
    with pytest.raises(InvalidRequestError, match="not on this machine"):
        await engine_options(
            TaskOptions(model="medium"),
            Settings(_env_file=None, data_dir=tmp_path),
            ModelStore(tmp_path, download=False, cache_dir=tmp_path / "cache"),
        )
