"""The header ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header): an upload sent twice is one task."""

import hashlib
import json
import re
from collections.abc import Sequence

from api.faults import FieldFault, InvalidFieldsError
from api.options import TaskOptions
from core.models import Idempotency, Upload

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MOST_CHARACTERS = 255
_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')  # RFC 9651, 3.3.3
_BARE = re.compile(r"[\x21-\x7e]+")


def parse_key(values: Sequence[str]) -> str | None:
    """SHA-256 (hex) of the key in the request's header, None where there is none; ``"a"`` and ``a`` are the same key.

    Raises ``InvalidFieldsError``.
    """
    if not values:
        return None
    if len(values) > 1:
        raise _refused("given more than once; give it once.")
    key = _unquoted(values[0].strip())
    if key is None or not 1 <= len(key) <= MOST_CHARACTERS:
        raise _refused(
            f"not a key; send 1 to {MOST_CHARACTERS} visible ASCII characters, such as a fresh UUID for each upload."
        )
    return hashlib.sha256(key.encode()).hexdigest()


def remembered(
    key: str | None, upload: Upload, wanted: TaskOptions, filename: str, language: str | None
) -> Idempotency | None:
    """What is stored with the task. Equal for equal uploads, whichever route they came by."""
    if key is None:
        return None
    sent = [upload.sha256, upload.size_bytes, filename, wanted.model_dump(mode="json")]
    fingerprint = hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()
    return Idempotency(key=key, fingerprint=fingerprint, language=language)


def _unquoted(text: str) -> str | None:
    if text.startswith('"'):
        match = _QUOTED.fullmatch(text)
        return re.sub(r"\\(.)", r"\1", match[1]) if match else None
    return text if _BARE.fullmatch(text) else None


def _refused(message: str) -> InvalidFieldsError:
    return InvalidFieldsError([FieldFault(field=HEADER, message=message)])
