"""The wire form of a wake-up: a small JSON object that holds ids and nothing else."""

import json
import uuid

import aio_pika

from core.ports import Message

MOST_BYTES = 4096


def make_message(message: Message) -> aio_pika.Message:
    """The only place where one is made: kept on disk by the broker, with an id by which a returned one is known."""
    fields: dict[str, object] = {"v": 1, "task_id": message.task_id}
    if message.chunk is not None:
        fields["chunk"] = message.chunk
    body = json.dumps(fields, separators=(",", ":")).encode()
    if len(body) > MOST_BYTES:
        raise ValueError(f"A message holds ids only, this one has {len(body)} bytes.")
    return aio_pika.Message(
        body,
        message_id=uuid.uuid4().hex,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def read_message(body: bytes) -> Message | None:
    """What :func:`make_message` wrote, in this version or a later one with more fields; None for anything else."""
    if len(body) > MOST_BYTES:
        return None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    task_id, chunk = (fields.get("task_id"), fields.get("chunk")) if isinstance(fields, dict) else (None, None)
    if not isinstance(task_id, str) or not task_id or not _is_index(chunk):
        return None
    return Message(task_id=task_id, chunk=chunk)


def _is_index(chunk: object) -> bool:
    return chunk is None or (isinstance(chunk, int) and not isinstance(chunk, bool) and chunk >= 0)
