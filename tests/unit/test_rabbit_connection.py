"""A connection to a broker that is not there."""

import aio_pika
import pytest

from core.adapters.rabbitmq import Pace
from core.adapters.rabbitmq.connection import Address, connected
from core.adapters.rabbitmq.ending import Ending
from core.errors import BrokerUnavailableError

AWAY = "amqp://guest:guest@127.0.0.1:1"


async def test_one_that_never_came_about_leaves_nothing_to_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the driver closes it whenever the object is collected, be there a loop at that moment or not."""
    made: list[aio_pika.Connection] = []
    begin = aio_pika.Connection.__init__

    def noted(self: aio_pika.Connection, *given: object, **options: object) -> None:
        begin(self, *given, **options)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(aio_pika.Connection, "__init__", noted)
    with pytest.raises(BrokerUnavailableError):
        async with connected(Address.parse(AWAY, Pace()), "test", Ending()):
            pass
    assert [connection.is_closed for connection in made] == [True]
