"""File labels and page cursors."""

import base64
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from api.cursors import decode_cursor, encode_cursor
from api.faults import InvalidFieldsError
from api.labels import DEFAULT, MAX_CHARACTERS, file_label

ID = "7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("interview.mp3", "interview.mp3"),
        ("../../etc/passwd", "passwd"),
        (r"C:\fakepath\Jürgen 2.wav", "Jürgen 2.wav"),
        ("a\x00b\r\nc\x1b[31m.wav", "abc[31m.wav"),
        ("gpj.\u202ewav", "gpj.wav"),
        ("\ud800x.wav", "x.wav"),
        ("..", DEFAULT),
        ("  \t ", DEFAULT),
        ("", DEFAULT),
    ],
)
def test_a_label_is_the_last_part_that_can_be_seen(given: str, shown: str) -> None:
    """No folders, no control characters, nothing that turns the direction of reading."""
    assert file_label(given) == shown


def test_a_label_has_an_end() -> None:
    """It is stored and shown in lists."""
    assert len(file_label("x" * 10_000)) == MAX_CHARACTERS


def test_a_cursor_comes_back_as_it_went() -> None:
    """Moment and id, exactly."""
    moment = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    assert decode_cursor(encode_cursor(SimpleNamespace(created_at=moment, id=ID))) == (moment, ID)


@pytest.mark.parametrize("raw", [b"", b"x", b"2026-01-01 not-an-id", b"\xff\xff", f"yesterday {ID}".encode()])
def test_a_made_up_cursor_is_refused(raw: bytes) -> None:
    """It never reaches the database."""
    with pytest.raises(InvalidFieldsError, match="cursor"):
        decode_cursor(base64.urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize("text", ["a", "%%%%", "é", "A" * 199, "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSA3YjBj"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    """Whatever it is."""
    with pytest.raises(InvalidFieldsError):
        decode_cursor(text)
