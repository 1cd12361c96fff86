"""The indexes, made at every start; those that are there already cost one question each."""

from typing import Any

from pymongo import IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from core.errors import InvalidRequestError

OTHER_OPTIONS = {85, 86}  # IndexOptionsConflict, IndexKeySpecsConflict


def _index(name: str, *fields: tuple[str, int], **options: Any) -> IndexModel:
    return IndexModel(list(fields), name=name, **options)


INDEXES: dict[str, list[IndexModel]] = {
    "tasks": [
        _index("by_age", ("created_at", -1), ("_id", -1)),
        _index("by_status_and_age", ("status", 1), ("created_at", -1), ("_id", -1)),
        _index("by_upkeep", ("open", 1)),
        _index("by_end", ("finished_at", 1)),
        _index(
            "by_idempotency_key",
            ("idempotency.key", 1),
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
    ],
    "chunks": [
        _index("by_task_and_state", ("task", 1), ("state", 1)),
        _index("by_owner", ("owner", 1)),
    ],
}


async def make_indexes(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Make what is missing; any number of processes may do so at once.

    Raises ``InvalidRequestError`` where an index of one of these names or fields is there with other options.
    """
    for collection, indexes in INDEXES.items():
        for index in indexes:
            await _make(database, collection, index)


async def _make(database: AsyncDatabase[dict[str, Any]], collection: str, index: IndexModel) -> None:
    try:
        await database[collection].create_indexes([index])
    except OperationFailure as error:
        if error.code not in OTHER_OPTIONS:
            raise
        name = index.document["name"]
        raise InvalidRequestError(
            f"The index {name} of the collection {collection} in the database {database.name} is not as this version "
            f"needs it. Remove it with `db.{collection}.dropIndex({name!r})` and start again: it is made anew.",
            code="invalid_settings",
        ) from error
