"""Which of the driver's errors are worth the same operation again, at once."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from core.adapters.mongo.refusals import is_passing


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (AutoReconnect("connection closed"), True),
        (NetworkTimeout("timed out"), True),
        (NotPrimaryError("not primary"), True),
        (OperationFailure("not primary", 10107), True),
        (WriteConcernError("operation was interrupted because a node is shutting down", 91), True),
        (WriteConcernError("primary stepped down while waiting for replication", 189), True),
        (ServerSelectionTimeoutError("nobody there"), False),
        (OperationFailure("bad auth", 18), False),
        (WriteConcernError("waiting for replication timed out", 64), False),
    ],
)
def test_a_server_that_leaves_or_is_the_primary_no_longer_passes(error: Exception, passing: bool) -> None:
    """Whether it says so itself, or its connection ends."""
    assert is_passing(error) is passing
