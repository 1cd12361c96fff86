"""The wire form of a wake-up."""

import json
from pathlib import Path

import aio_pika
import pytest

from core.adapters.rabbitmq.messages import MOST_BYTES, make_message, read_message
from core.ports import Message

ROOT = Path(__file__).parents[4]
ODD = [
    *(b"", b"nonsense", b"\xff\xfe", b"null", b"[]", b"7", b"{}", b"[" * 4000),
    *(b'{"task_id":""}', b'{"task_id":{"$gt":""}}', b'{"task_id":"' + b"t" * MOST_BYTES + b'"}'),
    *(b'{"task_id":"t","chunk":"1"}', b'{"task_id":"t","chunk":-1}', b'{"task_id":"t","chunk":true}'),
]


@pytest.mark.parametrize("chunk", [None, 0, 7])
def test_what_is_written_is_read(chunk):
    """Chunk 0 is a chunk."""
    message = Message(task_id="t", chunk=chunk)
    assert read_message(make_message(message).body) == message


def test_a_message_is_kept_on_disk_small_and_known_by_an_id():
    """Not persistent is the driver's default; without an id a returned message cannot be told."""
    one, two = make_message(Message(task_id="t" * 64, chunk=99_999)), make_message(Message(task_id="t"))
    assert one.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert one.message_id != two.message_id
    assert len(one.body) < 200
    with pytest.raises(ValueError, match="ids only"):
        make_message(Message(task_id="t" * MOST_BYTES))


def test_fields_of_a_later_version_are_ignored():
    """So that old and new workers share a queue."""
    body = json.dumps({"v": 2, "task_id": "t", "chunk": 1, "priority": 5}).encode()
    assert read_message(body) == Message(task_id="t", chunk=1)


@pytest.mark.parametrize("body", ODD)
def test_anything_else_is_not_understood(body):
    """And raises nothing."""
    assert read_message(body) is None


def test_messages_are_made_in_one_place():
    """A message made elsewhere would not be persistent."""
    sources = [path for folder in ("core", "api", "worker", "cli") for path in (ROOT / folder).rglob("*.py")]
    found = [path.relative_to(ROOT).as_posix() for path in sources if "aio_pika.Message(" in path.read_text()]
    assert found == ["core/adapters/rabbitmq/messages.py"]
