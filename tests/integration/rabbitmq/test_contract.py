"""The rules of every broker, on a real node."""

from tests.contracts.broker_contract import BrokerContract


class TestRabbitBroker(BrokerContract):
    """See the contract."""
