"""Reading a form as it comes: same result however the bytes are cut, and every limit holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.faults import BrokenFormError, InvalidFieldsError, WrongBodyTypeError
from api.fields import MAX_FIELDS
from api.form import MAX_FIELD_BYTES, UploadForm
from api.intake import FORM_SLACK_BYTES, Intake
from api.multipart import FormReader, boundary_of
from core.errors import InvalidRequestError, UnsupportedMediaError, UploadTooLargeError
from core.ports import BlobWriter

MEDIA = b"RIFF\x00\x00\x00\x00WAVE"
LIMIT = 1_000_000


class Memory:
    """A blob writer that keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0

    async def write(self, data: bytes, beside: Callable[[bytes], None] | None = None) -> None:
        assert beside is not None
        beside(data)
        self.data += data
        self.writes += 1


def intake_to(blob: BlobWriter, limit: int = LIMIT) -> Intake:
    """Of files that are shorter than a block, so nothing is under way before the end."""
    return Intake(blob, limit, asyncio.Semaphore(1))


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """One part with its opening boundary."""
    label = f'; filename="{filename}"' if filename is not None else ""
    return f'--B\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'.encode() + value + b"\r\n"


def with_headers(more: bytes) -> bytes:
    """A form that is whole, its file's part with further headers."""
    return part("file", MEDIA, "a.wav").replace(b"--B\r\n", b"--B\r\n" + more) + b"--B--\r\n"


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces."""
    borders = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(borders)]


async def read(pieces: list[bytes], limit: int = LIMIT) -> tuple[UploadForm, Memory, Intake]:
    """Read a form from its pieces."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    memory = Memory()
    intake = intake_to(memory, limit)
    form = UploadForm(intake, limit=limit)
    await form.read(stream(), FormReader(b"B"))
    return form, memory, intake


@given(
    tail=st.binary(max_size=300) | st.sampled_from([b"\r\n--", b"\r\n--C", b"\r\n-\r\n--", b"--B", b"\r\n--\r\n--"]),
    places=st.lists(st.integers(0, 2_000), max_size=12),
    after=st.booleans(),
)
async def test_cuts_change_nothing(tail: bytes, places: list[int], after: bool) -> None:
    """Bytes that look like a boundary, fields on either side of the file, pieces of any size: all the same."""
    if b"\r\n--B" in tail:
        return
    file, field = part("file", MEDIA + tail, "a.wav"), part("prompt", "Noms : Zoé".encode())
    body = (file + field if after else field + file) + b"--B--\r\n"
    form, memory, intake = await read(cut(body, places))
    upload = await intake.finish("k")
    assert memory.data == MEDIA + tail
    assert upload.size_bytes == len(MEDIA + tail)
    assert (form.pairs, form.filename) == ([("prompt", "Noms : Zoé")], "a.wav")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--C\r\n\r\n",
        part("file", MEDIA, "a.wav"),
        part("file", MEDIA, "a.wav") + b"--B",
        b"--B\r\nContent-Type: audio/wav\r\n\r\nx\r\n--B--\r\n",
        b"--B\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n--B--\r\n",
        with_headers(b"".join(b"X-%d: 1\r\n" % n for n in range(8))),
        with_headers(b"X: " + b"y" * 4_096 + b"\r\n"),
        b"--B\r\nb\xc3d name: 1\r\n\r\nx\r\n--B--\r\n",
    ],
)
async def test_what_is_no_whole_form_is_refused(body: bytes) -> None:
    """Cut off, without names, with too many or too long headers."""
    with pytest.raises(BrokenFormError):
        await read([body])


async def test_headers_up_to_the_limits_are_read() -> None:
    """So the refusals above are of one too many, not of any."""
    for more in (b"".join(b"X-%d: 1\r\n" % n for n in range(7)), b"X: " + b"y" * 4_000 + b"\r\n"):
        form, _, _ = await read([with_headers(more)])
        assert form.filename == "a.wav"


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([part("language", b"en")], "file"),
        ([part("audio", MEDIA, "a.wav")], "audio"),
        ([part("file", MEDIA, "a.wav"), part("file", MEDIA, "b.wav")], "file"),
        ([part(f"f{n}", b"") for n in range(MAX_FIELDS + 1)], f"f{MAX_FIELDS}"),
        ([part("prompt", b"x" * (MAX_FIELD_BYTES + 1))], "prompt"),
        ([part("prompt", b"\xff\xfe")], "prompt"),
        ([part("langauge", b"en"), part("file", b"never looked at", "a.wav")], "langauge"),
    ],
)
async def test_forms_that_are_not_ours_are_refused_by_field(parts: list[bytes], field: str) -> None:
    """No file, a file elsewhere, two files, too many fields, too long or unreadable ones, a typo before the file."""
    with pytest.raises(InvalidFieldsError) as caught:
        await read([*parts, b"--B--\r\n"])
    assert [fault.field for fault in caught.value.faults] == [field]


async def test_a_field_may_be_as_long_as_promised() -> None:
    """The limit itself passes."""
    form, _, _ = await read([part("x", b"y" * MAX_FIELD_BYTES), part("file", MEDIA, "a"), b"--B--"][1:])
    assert form.filename == "a"


async def test_the_file_is_counted_while_it_comes() -> None:
    """One byte too many, and nothing beyond the limit was written."""
    exact, _, intake = await read([part("file", MEDIA + bytes(88), "a"), b"--B--\r\n"], limit=100)
    assert exact.filename == "a"
    assert (await intake.finish("k")).size_bytes == 100
    with pytest.raises(UploadTooLargeError):
        await read([part("file", MEDIA + bytes(89), "a"), b"--B--\r\n"], limit=100)


@pytest.mark.parametrize("place", ["before", "after"])
async def test_what_stands_around_the_form_is_counted_too(place: str) -> None:
    """A preamble or an epilogue without end is no way round the limit."""
    form = part("file", MEDIA, "a") + b"--B--\r\n"
    noise = [b"\r\n" * 32_768] * (FORM_SLACK_BYTES // 65_536 + 2)
    with pytest.raises(UploadTooLargeError):
        await read([*noise, form] if place == "before" else [form, *noise], limit=1_000)


async def test_a_file_that_is_no_media_is_never_written() -> None:
    """The first 4 KiB decide, before anything touches the disk."""
    memory = Memory()
    intake = intake_to(memory)
    with pytest.raises(UnsupportedMediaError):
        await intake.add(b"PK\x03\x04" + bytes(5_000))
    assert memory.writes == 0


async def test_a_short_file_is_looked_at_as_well() -> None:
    """Fewer bytes than the look takes are no way past it."""
    intake = intake_to(Memory())
    await intake.add(b"PK\x03\x04")
    with pytest.raises(UnsupportedMediaError):
        await intake.finish("k")


async def test_an_empty_file_is_told_as_such() -> None:
    """It is not an unknown kind of file."""
    with pytest.raises(InvalidRequestError) as caught:
        await intake_to(Memory()).finish("k")
    assert caught.value.code == "empty_file"


@pytest.mark.parametrize(
    "kind", [None, "audio/wav", "application/x-www-form-urlencoded", "multipart/mixed; boundary=B"]
)
def test_another_body_is_sent_to_the_other_route(kind: str | None) -> None:
    """The sentence names it."""
    with pytest.raises(WrongBodyTypeError, match="POST /api/v1/tasks"):
        boundary_of(kind)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_a_boundary_is_broken(kind: str) -> None:
    """There is no way to read it."""
    with pytest.raises(BrokenFormError):
        boundary_of(kind)


def test_a_boundary_without_end_is_broken() -> None:
    """RFC 2046 allows 70 characters."""
    with pytest.raises(BrokenFormError):
        FormReader(b"x" * 10_000)
