"""Wake-ups over RabbitMQ 3.10 and later. What the rest of the program needs of it is :class:`RabbitBroker`."""

from core.adapters.rabbitmq.broker import RabbitBroker
from core.adapters.rabbitmq.pace import Pace

__all__ = ["Pace", "RabbitBroker"]
