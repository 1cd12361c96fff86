"""What goes wrong on a disk or in an object store, told in sentences. The latter's own words come as XML."""

import errno
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from core.errors import BlobNotFoundError, ParascribeError, StorageFullError, TransientError

_CODE = re.compile(r"<Code>(\w+)</Code>")
_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XMinioBucketQuotaExceeded"})
_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"})
_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
_PANIC = "RustPanic"  # of pyo3_async_runtimes, which is no module that could be imported: known by its name alone
_MESSAGE_CHARACTERS = 300


@contextmanager
def disk_translated(name: str) -> Iterator[None]:
    """Turn what the file system raises inside into one of the ``TransientError`` family."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFullError("The disk is full. Free some space, then send it again.") from error
        raise TransientError(f"{name[0].upper()}{name[1:]} failed: {error}", code="storage_unavailable") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Whose faults these are, for the sentences."""

    name: str  # "the bucket audio at http://minio:9000"
    deadline_seconds: float


class MisplacedError(TransientError):
    """The settings name a bucket that is not there, or a key that it refuses. Work waits until that is mended."""

    code = "storage_unavailable"


@asynccontextmanager
async def translated(place: Place) -> AsyncIterator[None]:
    """Turn what the driver raises inside into ``BlobNotFoundError`` or one of the ``TransientError`` family."""
    try:
        yield
    except TimeoutError as error:
        raise TransientError(
            f"{place.name} did not answer within {place.deadline_seconds:g} s.", code="storage_unavailable"
        ) from error
    except (OSError, BaseError, ValueError) as error:
        raise _told(error, place) from error
    except Exception as error:
        if type(error).__name__ != _PANIC:
            raise
        raise TransientError(
            f"{place.name} failed: the driver broke off, and says why on standard error. Check AWS_ENDPOINT_URL.",
            code="storage_unavailable",
        ) from error


def _told(error: Exception, place: Place) -> ParascribeError:
    text = str(error)
    found = _CODE.search(text)
    code = found[1] if found else ""
    if code in _FULL or " 507 " in text:
        return StorageFullError(f"{place.name} has no room left. Make room, then send it again.")
    if misplaced := _misplaced(error, code, place):
        return MisplacedError(misplaced)
    if isinstance(error, FileNotFoundError):
        return BlobNotFoundError(f"There is no such blob in {place.name}.")
    return TransientError(f"{place.name} failed: {_short(text)}", code="storage_unavailable")


def _misplaced(error: Exception, code: str, place: Place) -> str | None:
    """The sentence for what only another setting can mend."""
    if code == "NoSuchBucket":
        return f"{place.name} does not exist. Make it, or change STORAGE_URL."
    if code in _KEY or isinstance(error, UnauthenticatedError):
        return f"{place.name} refuses the key. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    if code in _REGION or "incorrectly configured region" in str(error):
        return f"{place.name} is in another region. Set AWS_REGION to the bucket's."
    if isinstance(error, PermissionDeniedError):
        return f"{place.name} denies access. The key needs the right to list, read, write and delete there."
    return None


def _short(text: str) -> str:
    """The driver's own words on one line, without the XML and the dump of its innards."""
    return " ".join(re.split(r"<\?xml|\n\nDebug source|Debug source:", text, maxsplit=1)[0].split())[
        :_MESSAGE_CHARACTERS
    ]
