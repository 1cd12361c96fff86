"""What can go wrong with a request before the rest of the program sees it."""

from dataclasses import dataclass

from core.errors import InvalidRequestError, PermanentError, UnsupportedMediaError


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldFault:
    """One field that is not acceptable, and why."""

    field: str
    message: str


class InvalidFieldsError(InvalidRequestError):
    """One or more named fields are not acceptable."""

    def __init__(self, faults: list[FieldFault]) -> None:
        named = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        super().__init__(f"The request cannot be accepted. {named}")
        self.faults = faults


class BrokenFormError(PermanentError):
    """The body is not the multipart form that its header announces."""

    code = "invalid_multipart"


class WrongBodyTypeError(UnsupportedMediaError):
    """The Content-Type is not one that the route takes."""

    code = "unsupported_body_type"


class SlowUploadError(PermanentError):
    """The body came too slowly, or stopped coming."""

    code = "upload_too_slow"


class TaskFailedError(PermanentError):
    """There is no transcript, since the task failed before anything was transcribed."""

    code = "task_failed"
