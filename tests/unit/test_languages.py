"""Which languages are accepted, and how a refusal helps."""

import pytest

from core.errors import InvalidRequestError
from core.languages import ALIASES, LANGUAGES, has_spaces, language_name, parse_language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"), ("EN", "en"), (" de ", "de"), ("English", "en"), ("GERMAN", "de"), ("yue", "yue"), ("Haw", "haw"),
        ("en-US", "en"), ("pt_BR", "pt"), ("zh-Hant-TW", "zh"), ("nb-NO", "no"), ("jv", "jw"),
        ("castilian", "es"), ("Mandarin", "zh"), ("Flemish", "nl"), ("haitian", "ht"), ("Haitian-Creole", "ht"),
    ],
)  # fmt: skip
def test_codes_tags_names_and_aliases_are_understood(text, code):
    """In any case, with region tags, in the ways that people write them."""
    assert parse_language(text) == code


@pytest.mark.parametrize("text", ["", "  ", "auto", "AUTO"])
def test_no_language_means_find_it(text):
    """Empty and `auto` are the same as leaving it out."""
    assert parse_language(text) is None


@pytest.mark.parametrize(
    "text", ["klingon", "xx", "xx-US", "english please", "en-", "en;drop", "e", "-US", "../en", "en\n-us\x00"]
)
def test_anything_else_is_refused_with_a_sentence(text):
    """The code is stable, and the sentence says what is accepted."""
    with pytest.raises(InvalidRequestError, match="Give an ISO 639-1 code") as refused:
        parse_language(text)
    assert refused.value.code == "invalid_language"


def test_a_typo_is_answered_with_what_was_meant():
    """Close names are offered with their codes."""
    with pytest.raises(InvalidRequestError, match=r"Did you mean german \(de\)"):
        parse_language("germn")


def test_a_huge_value_is_not_echoed():
    """The sentence stays short whatever was sent."""
    with pytest.raises(InvalidRequestError) as refused:
        parse_language("x" * 100_000)
    assert len(refused.value.message) < 400


def test_the_table_is_whispers():
    """A hundred languages, each name one of them, each alias one of their codes."""
    assert len(LANGUAGES) == 100
    assert len(set(LANGUAGES.values())) == 100
    assert all(name == name.lower() for name in LANGUAGES.values())
    assert set(ALIASES.values()) <= set(LANGUAGES)
    assert not set(ALIASES) & (set(LANGUAGES) | set(LANGUAGES.values()))


def test_names_and_spaces():
    """What the renderers ask for."""
    assert language_name("haw") == "hawaiian"
    assert language_name("xx") == "xx"
    assert has_spaces("en")
    assert has_spaces(None)
    assert not has_spaces("ja")
