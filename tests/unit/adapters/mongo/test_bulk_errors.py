"""What a bulk write's error means: it tells of documents and of servers in one."""

import pytest
from pymongo.errors import BulkWriteError

from core.adapters.mongo.client import guarded
from core.errors import StoreUnavailableError

TWICE = {"code": 11000, "errmsg": "E11000 duplicate key", "index": 0}
REFUSED = {"code": 121, "errmsg": "Document failed validation", "index": 1}
FEW_SERVERS = {"code": 64, "errmsg": "waiting for replication timed out"}


def raised(documents: list[dict], servers: list[dict]) -> BulkWriteError:
    """As the driver has it."""
    return BulkWriteError({"writeErrors": documents, "writeConcernErrors": servers, "nInserted": 1})


def test_duplicates_are_the_callers():
    """He knows whether they are an error."""
    with pytest.raises(BulkWriteError), guarded():
        raise raised([TWICE, TWICE], [])


@pytest.mark.parametrize(
    ("documents", "servers"),
    [([], [FEW_SERVERS]), ([TWICE], [FEW_SERVERS]), ([TWICE, REFUSED], []), ([], [])],
)
def test_what_is_not_on_a_majority_is_not_written(documents, servers):
    """An election may take it back: it is written again, whatever else was there already."""
    with pytest.raises(StoreUnavailableError), guarded():
        raise raised(documents, servers)
