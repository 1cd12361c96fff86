"""The broker as the composition roots open it."""

import pytest

from core.adapters.memory_broker import MemoryBroker
from core.errors import BrokerUnavailableError, InvalidRequestError
from core.flow.resources import open_resources
from core.ports import Queue
from tests.contracts.broker_contract import Hands, note


async def test_an_address_opens_rabbitmq(settings, rabbit, prefix):
    """Under the prefix of the settings; what one process publishes another one gets."""
    settings = settings.model_copy(update={"rabbitmq_url": rabbit.url, "rabbitmq_prefix": prefix})
    async with open_resources(settings) as api, open_resources(settings) as worker:
        hands = Hands()
        await worker.broker.consume(Queue.TASKS, hands.take, prefetch=1)
        await api.broker.publish(Queue.TASKS, note(1))
        await hands.have(1)
        assert not api.broker.volatile


async def test_no_address_means_queues_in_the_process(settings):
    """As ever."""
    async with open_resources(settings) as resources:
        assert isinstance(resources.broker, MemoryBroker)


async def test_a_broker_that_is_away_keeps_nothing_from_opening(settings):
    """Uploads are accepted and workers sweep without one."""
    settings = settings.model_copy(update={"rabbitmq_url": "amqp://127.0.0.1:1/"})
    async with open_resources(settings) as resources:
        with pytest.raises(BrokerUnavailableError):
            await resources.broker.publish(Queue.TASKS, note(1))


async def test_an_address_that_cannot_work_is_a_setting_to_change(settings):
    """Not an outage to wait for."""
    settings = settings.model_copy(update={"rabbitmq_url": "rabbit:5672"})
    with pytest.raises(InvalidRequestError) as caught:
        async with open_resources(settings):
            pass
    assert caught.value.code == "invalid_settings"


@pytest.mark.parametrize("guard", ["confirms", "watchdog"])
async def test_guards_can_be_switched_off_for_tests(settings, rabbit, prefix, guard):
    """By the setting, so that whole processes can be shown to need them."""
    changes = {"rabbitmq_url": rabbit.url, "rabbitmq_prefix": prefix, "test_without": (guard,)}
    async with open_resources(settings.model_copy(update=changes)) as resources:
        assert resources.broker._watched == (guard != "watchdog")
        assert resources.broker._publisher._confirms == (guard != "confirms")
