"""The product as its users see it: started by its command, used over HTTP. One service for each way to run it."""

from collections.abc import Iterator

import pytest

from tests.support.live import Service, serving


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Whisper base on two slots: everything else as it is by default."""
    with serving(tmp_path_factory.mktemp("real"), max_parallel_workers=2) as service:
        yield service


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The fake engine: all of the product but the model."""
    with serving(tmp_path_factory.mktemp("fake"), engine="fake") as service:
        yield service
