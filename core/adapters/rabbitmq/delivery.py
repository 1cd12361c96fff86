"""One message in the hands of a consumer."""

from typing import Protocol

from aio_pika.abc import AbstractIncomingMessage

from core.ports import Message


class Settler(Protocol):
    """The channel that a message came over."""

    async def ack(self, raw: AbstractIncomingMessage) -> None:
        """Done with."""

    async def give_back(self, raw: AbstractIncomingMessage, message: Message) -> None:
        """For somebody else."""


class RabbitDelivery:
    """Settled once; a second time is harmless (on the wire it would close the channel)."""

    def __init__(self, message: Message, raw: AbstractIncomingMessage, settler: Settler) -> None:
        self.message = message
        self._raw = raw
        self._settler = settler
        self._settled = False

    async def ack(self) -> None:
        """Done with."""
        if self._first():
            await self._settler.ack(self._raw)

    async def requeue(self) -> None:
        """Back into the queue, at its end."""
        if self._first():
            await self._settler.give_back(self._raw, self.message)

    def _first(self) -> bool:
        first, self._settled = not self._settled, True
        return first
