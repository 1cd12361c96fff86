"""Everything that can go wrong, by whether trying again can help.

Each error has a stable ``code`` (what clients match on) and a message that says what happened, why, and what to do.
HTTP status codes are in ``api.errors`` alone.
"""


class ParascribeError(Exception):
    """Base of every error that this program raises on purpose."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class PermanentError(ParascribeError):
    """Trying the same again gives the same: the input or the request has to change."""


class TransientError(ParascribeError):
    """Trying again later may succeed."""


class InvalidRequestError(PermanentError):
    """An option, a field or a parameter is not acceptable."""

    code = "invalid_request"


class NotFoundError(PermanentError):
    """No such task (or it was deleted)."""

    code = "task_not_found"


class ConflictError(PermanentError):
    """The task's state does not allow what was asked."""

    code = "task_state_conflict"


class UploadTooLargeError(PermanentError):
    """The upload has more bytes than ``MAX_UPLOAD_BYTES``."""

    code = "upload_too_large"


class UnsupportedMediaError(PermanentError):
    """The upload is plainly not audio or video."""

    code = "unsupported_media"


class AudioError(PermanentError):
    """The upload cannot be decoded. Codes: see ``core.audio.decode``."""

    code = "audio_unreadable"


class ModelNotFoundError(PermanentError):
    """The model is in no place where models come from."""

    code = "model_not_found"


class ModelCorruptError(PermanentError):
    """A model's checksum is not the published one."""

    code = "model_corrupt"


class ModelDownloadError(TransientError):
    """The model hub could not be reached, broke off, or had a fault of its own."""

    code = "model_download_failed"


class EngineError(TransientError):
    """The engine failed on one batch of windows."""

    code = "engine_failed"


class EngineMemoryError(EngineError):
    """Memory does not suffice for one window, also after batches were made smaller."""

    code = "engine_out_of_memory"


class EngineCancelledError(ParascribeError):
    """The engine stopped between two steps because nobody wants the result any more."""

    code = "cancelled"


class DecoderUnavailableError(TransientError):
    """No decoder could be started, or one was ended by something else than its file."""

    code = "decoder_unavailable"


class StoreUnavailableError(TransientError):
    """The database did not answer in time."""

    code = "store_unavailable"


class BrokerUnavailableError(TransientError):
    """The broker did not confirm in time. Work is not lost: the sweeper publishes it later."""

    code = "broker_unavailable"


class BlobNotFoundError(PermanentError):
    """No blob under that key."""

    code = "blob_not_found"


class StorageFullError(TransientError):
    """The blob store has no room left."""

    code = "storage_full"
