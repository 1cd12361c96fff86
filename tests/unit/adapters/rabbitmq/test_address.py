"""Addresses of brokers."""

import pytest

from core.adapters.rabbitmq import Pace, RabbitBroker
from core.adapters.rabbitmq.connection import Address
from core.errors import InvalidRequestError

BAD = [
    "localhost:5672",
    "http://localhost",
    "amqp://",
    "amqp:///vhost",
    "amqp://host:port/",
    "amqp://host:0/",
    "nonsense",
]


@pytest.mark.parametrize("url", BAD)
async def test_an_address_that_cannot_work_is_told_at_the_start(url):
    """Trying again would not help, so it is no outage."""
    with pytest.raises(InvalidRequestError, match="RABBITMQ_URL") as caught:
        RabbitBroker(url, prefix="p")
    assert caught.value.code == "invalid_settings"


def test_the_password_is_in_no_sentence():
    """Neither in the refusal nor in the name of the place."""
    with pytest.raises(InvalidRequestError) as caught:
        Address.parse("http://user:sesame@host/", Pace())
    assert "sesame" not in caught.value.message
    assert Address.parse("amqps://user:sesame@host/", Pace()).place == "host:5671"


def test_a_heartbeat_in_the_address_counts():
    """Otherwise it is 20 s: less brings false alarms, and without one a dead peer is noticed after minutes."""
    assert Address.parse("amqp://host/v?heartbeat=7", Pace()).url.query["heartbeat"] == "7"
    assert Address.parse("amqp://host/v", Pace()).url.query["heartbeat"] == "20"
