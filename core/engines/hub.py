"""Fetching a model from the Hugging Face hub."""

from pathlib import Path

from core.errors import ModelNotFoundError

_WANTED = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]


def fetch_from_hub(repository: str, target: Path) -> None:
    """Put the files of ``repository`` that CTranslate2 needs into ``target``. Raises ``ModelNotFoundError``.

    The hub's client checks sizes; checksums that we know are checked by the model store afterwards.
    """
    import httpx  # noqa: PLC0415  heavy, and only needed where a model is fetched
    import huggingface_hub  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        huggingface_hub.snapshot_download(repository, allow_patterns=_WANTED, local_dir=target)
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, ConnectionError, TimeoutError) as error:
        raise ModelNotFoundError(
            f"Model {repository!r} could not be fetched from the Hugging Face hub ({type(error).__name__}); "
            "check the connection, or put a CTranslate2 folder of it under MODELS_DIR."
        ) from error
