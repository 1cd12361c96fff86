"""How long everything may take, and how often it is looked at."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """All in seconds."""

    connect: float = 5.0  # until a connection is open
    publish: float = 10.0  # until the broker has confirmed
    ask: float = 2.0  # until a question or an acknowledgement is through
    close: float = 3.0
    probe: float = 5.0  # between two tries whether the broker takes messages
    watch: float = 10.0  # between two looks at a queue that is consumed
    idle: float = 30.0  # messages wait and none was delivered for this long: the consumer is deaf
    fresh: float = 20.0  # a consumer that holds nothing and hears nothing for this long is replaced: it may be deaf
    deleted: float = 0.5  # between a queue's end and its making anew, see ``Topology.declare_again``
    first_delay: float = 0.1  # before connecting again
    longest_delay: float = 5.0
    heartbeat: int = 20  # RabbitMQ advises 5 to 20: https://www.rabbitmq.com/docs/heartbeats

    def delay(self, failures: int) -> float:
        """Before the next try; grows, and differs between the processes that lost the broker at the same moment."""
        longest = min(self.longest_delay, self.first_delay * 2.0 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards no secret
