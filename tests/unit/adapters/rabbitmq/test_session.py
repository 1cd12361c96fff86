"""Settling over a connection that takes nothing any more."""

import asyncio

from core.adapters.rabbitmq.pace import Pace
from core.adapters.rabbitmq.session import Session
from core.errors import BrokerUnavailableError
from core.ports import Delivery, Message


class Stuck:
    """A delivery of the driver's whose connection is full."""

    async def ack(self) -> None:
        await asyncio.Event().wait()

    async def nack(self, *, requeue: bool) -> None:
        await asyncio.Event().wait()


async def nobody(delivery: Delivery) -> None:
    """Handles nothing."""


async def away(message: Message) -> None:
    """Publishes nothing."""
    raise BrokerUnavailableError("away")


async def test_settling_ends_by_its_deadline_and_raises_nothing():
    """The work is done or given back in the database; a lost acknowledgement only costs a redelivery."""
    session = Session(queue="q", handler=nobody, prefetch=1, republish=away, pace=Pace(ask=0.01))
    async with asyncio.timeout(5):
        await session.ack(Stuck())
        await session.give_back(Stuck(), Message(task_id="t"))
