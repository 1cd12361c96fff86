"""Which parts an upload's form may have, and where each goes: one file to the intake, short fields to a list."""

from collections.abc import AsyncIterator

from api.faults import FieldFault, InvalidFieldsError
from api.fields import MAX_FIELDS
from api.intake import FORM_SLACK_BYTES, Intake, too_large
from api.multipart import FormReader, PartBegin, PartData
from api.options import parse_options

FILE_FIELD = "file"
MAX_FIELD_BYTES = 16 * 1024


class UploadForm:
    """Reads one form. Afterwards ``pairs`` has its fields and ``filename`` what the client calls its file."""

    def __init__(self, intake: Intake, *, limit: int) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.filename: str | None = None
        self._intake = intake
        self._left = limit + FORM_SLACK_BYTES
        self._limit = limit
        self._field: str | None = None  # the plain field that is being read; None: the file
        self._value = bytearray()
        self._has_file = False

    async def read(self, body: AsyncIterator[bytes], reader: FormReader) -> None:
        """All of the body. Raises ``BrokenFormError``, ``InvalidFieldsError``, or as :meth:`Intake.add` does."""
        async for data in body:
            self._left -= len(data)
            if self._left < 0:  # also bounds what stands before the first and after the last boundary
                raise too_large(self._limit)
            for event in reader.feed(data):
                await self._take(event)
        reader.close()
        if not self._has_file:
            raise _refused(FILE_FIELD, "the form has no such field; it must hold the audio or video file.")

    async def _take(self, event: object) -> None:
        if isinstance(event, PartBegin):
            self._begin(event)
        elif isinstance(event, PartData):
            await self._data(event.data)
        elif self._field is not None:
            self._end_field(self._field)

    def _begin(self, part: PartBegin) -> None:
        if part.name == FILE_FIELD:
            self._begin_file(part)
            return
        if part.filename is not None:
            raise _refused(part.name, f"only the field {FILE_FIELD!r} may hold a file.")
        if len(self.pairs) >= MAX_FIELDS:
            raise _refused(part.name, f"the form has more than {MAX_FIELDS} fields.")
        self._field, self._value = part.name, bytearray()

    def _begin_file(self, part: PartBegin) -> None:
        if self._has_file:
            raise _refused(FILE_FIELD, "the form has more than one; send one file per task.")
        self._has_file, self._field, self.filename = True, None, part.filename
        parse_options(self.pairs)  # what came before the file is checked before the file is taken

    async def _data(self, data: bytes) -> None:
        if self._field is None:
            await self._intake.add(data)
            return
        self._value += data
        if len(self._value) > MAX_FIELD_BYTES:
            raise _refused(self._field, f"a field may have {MAX_FIELD_BYTES} bytes at most.")

    def _end_field(self, name: str) -> None:
        try:
            self.pairs.append((name, self._value.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise _refused(name, "the text is not UTF-8.") from error


def _refused(field: str, message: str) -> InvalidFieldsError:
    return InvalidFieldsError([FieldFault(field=field[:100], message=message)])
