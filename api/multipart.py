"""A multipart form, bytes in and events out, in constant memory (RFC 7578).

The parser is python-multipart's own, driven directly: Starlette's form reader takes the whole body before a route
sees any of it.
"""

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.faults import BrokenFormError, WrongBodyTypeError

MAX_PART_HEADERS = 8
MAX_HEADER_BYTES = 4_096
_RESEND = "Send it again as a multipart/form-data form, as `curl -F file=@name` does."


@dataclass(frozen=True, kw_only=True, slots=True)
class PartBegin:
    """The headers of a part are read. ``filename`` is None for a plain field."""

    name: str
    filename: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PartData:
    """Some bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete."""


Event = PartBegin | PartData | PartEnd


def boundary_of(content_type: str | None) -> bytes:
    """The boundary that the Content-Type announces. Raises ``WrongBodyTypeError``, ``BrokenFormError``."""
    kind, parameters = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise WrongBodyTypeError(
            "This route takes a multipart/form-data form with the file in its field `file`. "
            "To send the file alone as the body, use POST /api/v1/tasks."
        )
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise BrokenFormError(f"The Content-Type names no boundary. {_RESEND}")
    return boundary


class FormReader:
    """Feed it the body as it comes; raises ``BrokenFormError`` where that is no form."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[Event] = []
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_data,
                    "on_part_end": lambda: self._events.append(PartEnd()),
                    "on_end": self._on_end,
                },
                max_header_count=MAX_PART_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise BrokenFormError(f"The form cannot be read: {error}. {_RESEND}") from error

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete."""
        self._events = []
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BrokenFormError(f"The form is broken: {error}. {_RESEND}") from error
        return self._events

    def close(self) -> None:
        """The body has ended: was that the end of the form?"""
        if not self._ended:
            raise BrokenFormError(f"The form stops before its last boundary. {_RESEND}")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        kind, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in parameters:
            raise BrokenFormError(f"A part of the form has no Content-Disposition with a name. {_RESEND}")
        filename = parameters.get(b"filename")
        self._events.append(
            PartBegin(
                name=parameters[b"name"].decode("utf-8", "replace"),
                filename=None if filename is None else filename.decode("utf-8", "replace"),
            )
        )

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data=data[start:end]))

    def _on_end(self) -> None:
        self._ended = True
