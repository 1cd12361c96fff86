"""What the decoder's child refuses by what a file says of itself. Part of the child: nothing heavy is imported here."""

from core.audio.formats import GUESSED_DURATION, MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ


class RefusedError(Exception):
    """Why the file is not decoded, as (code, sentence)."""


def check_shape(rate: int, channels: int) -> None:
    """Raises ``RefusedError``: ``sample_rate_out_of_range``, ``too_many_channels``."""
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise RefusedError(
            "sample_rate_out_of_range",
            f"The sample rate is {rate} Hz; rates from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are accepted.",
        )
    if channels > MAX_CHANNELS:
        raise RefusedError(
            "too_many_channels", f"The audio has {channels} channels; at most {MAX_CHANNELS} are accepted."
        )


def check_declared(container: str, declared: float | None, max_seconds: float) -> None:
    """Raises ``RefusedError``: ``audio_too_long``."""
    guessed = container in GUESSED_DURATION
    if declared is not None and not guessed and declared > max_seconds + 1:
        raise too_long(max_seconds)


def too_long(max_seconds: float) -> RefusedError:
    """The refusal, in words that name the limit."""
    return RefusedError(
        "audio_too_long", f"The audio is longer than the {max_seconds / 3600:g} h accepted here; cut it into parts."
    )
