"""What the driver raises, said in this program's words."""

import asyncio
import contextlib
from collections.abc import Iterator

from aio_pika.exceptions import (
    AMQPChannelError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)

from core.errors import BrokerUnavailableError


class RefusedError(BrokerUnavailableError):
    """The broker can be reached and says no."""


class QueueMissingError(RefusedError):
    """Somebody deleted the queue, or the broker lost its data."""


@contextlib.contextmanager
def driving(doing: str) -> Iterator[None]:
    """Around every call of the driver. Raises ``BrokerUnavailableError`` with a sentence, or one of its kinds.

    When a connection dies the driver ends whoever waits for it with whatever it died of: with ``CancelledError`` where
    it was closed, though nobody cancelled the waiting task, and even with a bare ``Exception``.
    """
    try:
        yield
    except BrokerUnavailableError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailableError(f"RabbitMQ: {doing} failed: the connection was closed.") from error
    except Exception as error:
        raise _translated(doing, error) from error


def _translated(doing: str, error: Exception) -> BrokerUnavailableError:
    if isinstance(error, ChannelPreconditionFailed):
        return RefusedError(
            f"RabbitMQ: {doing} failed: {error}. A queue or exchange of that name was made with other arguments. "
            "Delete it (its messages are only wake-ups and come again), or set RABBITMQ_PREFIX to an unused name."
        )
    if isinstance(error, ProbableAuthenticationError):
        return RefusedError(f"RabbitMQ: {doing} failed: the user or password in RABBITMQ_URL is wrong: {error}.")
    sentence = f"RabbitMQ: {doing} failed: {_reason(error)}."
    if isinstance(error, ChannelNotFoundEntity):
        return QueueMissingError(sentence)
    return RefusedError(sentence) if _is_refusal(error) else BrokerUnavailableError(sentence)


def _is_refusal(error: Exception) -> bool:
    """The broker closed the channel and said why. One that was closed on our side has no code."""
    return isinstance(error, AMQPChannelError) and error.args[:1] != (None,)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (str(error) or type(error).__name__).rstrip(".")
