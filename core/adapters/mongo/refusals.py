"""What a database's refusals mean: for good, in sentences that say what to change and never show a password; or not."""

import re

from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError

from core.errors import InvalidRequestError

BAD_CREDENTIALS = {18, 8000}  # AuthenticationFailed; the same in hosted databases
NOT_ALLOWED = {13}  # Unauthorized
# A server that leaves, or is the primary no longer: those for which the driver itself repeats a write to one document.
# https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
PASSING = {6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
LEAST_SECRET = 2  # characters: shorter pieces are in any text


def lasting(error: BaseException | None) -> InvalidRequestError | None:
    """The lasting refusal that this error is; None where trying again may help."""
    if not isinstance(error, OperationFailure):
        return None
    if error.code in BAD_CREDENTIALS:
        return _invalid("The database refuses the name or the password in MONGO_URL. Check both, and its authSource.")
    if error.code in NOT_ALLOWED:
        return _invalid("The user in MONGO_URL may not use the database. Give it the role readWrite on MONGO_DATABASE.")
    return None


def is_passing(error: BaseException) -> bool:
    """Whether the same operation may succeed at once. Where no server was found, that was waited for already."""
    if isinstance(error, OperationFailure):
        return error.code in PASSING
    return isinstance(error, AutoReconnect) and not isinstance(error, ServerSelectionTimeoutError)


def brief(error: Exception) -> str:
    """The driver's text without its timeouts and its picture of all servers."""
    return re.split(r" \(configured timeouts|, Timeout: |, full error: ", str(error))[0].strip().rstrip(".")


def is_torn(url: str) -> bool:
    """Whether an unescaped / in the password makes the rest of it part of the path, and its start the port."""
    return "@" in url.partition("://")[2].partition("?")[0].partition("/")[2]


def url_refusal(url: str, error: Exception | None = None) -> InvalidRequestError:
    """MONGO_URL cannot be used. What the driver says of it is told only where no piece of the credentials is in it."""
    said = str(error or "").strip().rstrip(".")
    reason = f": {said}" if said and not _tells(said, url) else ""
    return _invalid(
        f"MONGO_URL is not a MongoDB address{reason}. It looks like mongodb://user:password@host:27017/?tls=true, and "
        "in user and password such characters as @ : / % are written %40 %3A %2F %25."
    )


def _tells(said: str, url: str) -> bool:
    credentials = url.partition("://")[2].rpartition("@")[0]
    pieces = [piece for piece in re.split(r"[:/@?]", credentials) if len(piece) >= LEAST_SECRET]
    return "@" in url and (not pieces or any(piece in said for piece in pieces))


def _invalid(sentence: str) -> InvalidRequestError:
    return InvalidRequestError(sentence, code="invalid_settings")
