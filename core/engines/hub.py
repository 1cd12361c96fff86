"""Fetching a model from the Hugging Face hub."""

from pathlib import Path

from core.errors import ModelDownloadError, ModelNotFoundError

_WANTED = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
_PASSING = frozenset({408, 425, 429})  # of the statuses below 500: too slow, too early, too many requests


def fetch_from_hub(repository: str, target: Path) -> None:
    """Put the files of ``repository`` that CTranslate2 needs into ``target``.

    Raises ``ModelNotFoundError`` where the hub refuses or its client is told to stay offline, ``ModelDownloadError``
    where it cannot be reached, breaks off, or has a fault of its own. The hub's client checks sizes; checksums that we
    know are checked by the model store afterwards.
    """
    import huggingface_hub  # noqa: PLC0415  heavy, and only needed where a model is fetched
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    # The client's versions use different HTTP libraries (httpx, httpx2): this is the base error of the one in use.
    http_error: type[Exception] = HfHubHTTPError.__bases__[0]
    try:
        huggingface_hub.snapshot_download(repository, allow_patterns=_WANTED, local_dir=target)
    except (http_error, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise _told(repository, error) from error


def _told(repository: str, error: Exception) -> ModelNotFoundError | ModelDownloadError:
    """The client hides why it reached nothing behind an error about its cache, whose cause is the reason."""
    from huggingface_hub.errors import OfflineModeIsEnabled  # noqa: PLC0415

    reason = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    status = getattr(getattr(reason, "response", None), "status_code", 0)
    what = f"Model {repository!r} could not be fetched from the Hugging Face hub"
    if isinstance(reason, OfflineModeIsEnabled) or (400 <= status < 500 and status not in _PASSING):
        return ModelNotFoundError(
            f"{what} ({type(reason).__name__}); put a CTranslate2 folder of it under MODELS_DIR, or use another model."
        )
    return ModelDownloadError(
        f"{what} at the moment ({type(reason).__name__}); check the connection, or put a CTranslate2 folder of it "
        "under MODELS_DIR."
    )
