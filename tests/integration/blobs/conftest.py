"""An S3 server for all tests of this folder, and one that a test may break."""

from collections.abc import Iterator

import pytest

from tests.support.s3 import S3Server, running_s3


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Shared: give every test a bucket of its own."""
    with running_s3() as server:
        yield server


@pytest.fixture
def own_s3() -> Iterator[S3Server]:
    """For one test alone."""
    with running_s3() as server:
        yield server
