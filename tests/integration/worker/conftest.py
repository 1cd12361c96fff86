"""What tests of a worker share."""

import dataclasses
import json

import pytest

from core.flow.resources import Resources
from tests.support.lasting import LastingBroker


@pytest.fixture
async def lasting(resources: Resources):
    """The same resources with a broker that outlives its workers."""
    broker = LastingBroker()
    yield dataclasses.replace(resources, broker=broker)
    await broker.close()


@pytest.fixture
def fake(settings):
    """Settings with a fake engine of the given behaviour."""

    def build(**spec):
        return settings.model_copy(update={"fake_engine": json.dumps(spec)})

    return build
