"""Where a page of tasks ends, as a text that clients hand back and need not understand."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from api.faults import FieldFault, InvalidFieldsError
from core.models import Task


def encode_cursor(task: Task) -> str:
    """The place after this task."""
    return base64.urlsafe_b64encode(f"{task.created_at.isoformat()} {task.id}".encode()).decode().rstrip("=")


def decode_cursor(text: str) -> tuple[datetime, str]:
    """(created_at, id) of the last task of the page before. Raises ``InvalidFieldsError``."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        moment, _, task_id = raw.decode().partition(" ")
        return datetime.fromisoformat(moment).astimezone(UTC), str(UUID(task_id))
    except (ValueError, OverflowError, binascii.Error) as error:
        message = "this is no cursor of this server; use `next_cursor` of the page before, or leave it out."
        raise InvalidFieldsError([FieldFault(field="cursor", message=message)]) from error
