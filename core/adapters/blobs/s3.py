"""``s3://bucket/folder``: from settings to a client whose every request ends in time."""

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import ParseResult

from obstore.store import S3Store

from core.adapters.blobs.objects import DEADLINE_SECONDS, ObjectBlobs
from core.config import Settings
from core.errors import InvalidRequestError

if TYPE_CHECKING:
    from obstore.store import S3Config  # obstore has it for type checkers alone

CONNECT_SECONDS = 3
REQUEST_SECONDS = 30  # for 5 MiB on a slow line; what is small has the shorter deadline of ObjectBlobs
RETRY_SECONDS = 5  # from the first try on; a retry begins no later
RETRIES = 3
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_FOLDER = re.compile(r"[\w.-][\w./ -]*")


def s3_blobs(url: ParseResult, settings: Settings, *, deadline_seconds: float = DEADLINE_SECONDS) -> ObjectBlobs:
    """The store that the settings name. Opens no connection. Raises ``InvalidRequestError`` (``invalid_settings``)."""
    bucket, folder = url.netloc, url.path.strip("/")
    _check(url, bucket, folder)
    endpoint = _endpoint(settings)
    _forget_blanks()
    store = S3Store(
        bucket,
        prefix=folder or None,
        config=_config(settings, endpoint, bucket),
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
    )
    name = f"The bucket {bucket} at {endpoint or 'Amazon S3'}"
    return ObjectBlobs(store, name=name, deadline_seconds=deadline_seconds)


def _check(url: ParseResult, bucket: str, folder: str) -> None:
    odd = url.query or url.fragment or not _BUCKET.fullmatch(bucket)
    if odd or (folder and not _FOLDER.fullmatch(folder)) or {"", ".", ".."} & set(folder.split("/") if folder else []):
        raise InvalidRequestError(
            "STORAGE_URL is not understood. Use s3://bucket/folder; the key goes into AWS_ACCESS_KEY_ID, "
            "the server's address into AWS_ENDPOINT_URL.",
            code="invalid_settings",
        )


def _endpoint(settings: Settings) -> str | None:
    endpoint = settings.aws_endpoint_url
    if endpoint is None:
        return None
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", endpoint):
        raise InvalidRequestError(
            f"AWS_ENDPOINT_URL {endpoint!r} is not an address like http://minio:9000.", code="invalid_settings"
        )
    return endpoint.rstrip("/")


def _forget_blanks() -> None:
    """Empty is as good as not set, here as in the settings: a compose file cannot leave a variable out.

    obstore reads this process's environment by itself. There an empty address makes it panic, and with an empty key it
    signs instead of asking for that of the machine's role. No configuration takes a variable back: it has to go.
    """
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


def _config(settings: Settings, endpoint: str | None, bucket: str) -> "S3Config":
    """Without a key in the settings obstore takes that of the environment or of the machine's role."""
    # A host of its own for each bucket is what Amazon wants; other servers seldom have the names and certificates.
    config: S3Config = {
        "region": settings.aws_region,
        "virtual_hosted_style_request": endpoint is None and "." not in bucket,
    }
    if endpoint:
        config["endpoint"] = endpoint
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if (key is None) != (secret is None):
        raise InvalidRequestError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both, or neither.",
            code="invalid_settings",
        )
    if key and secret:
        config |= {"access_key_id": key, "secret_access_key": secret.get_secret_value()}
    return config
