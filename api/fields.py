"""The fields of a form or a query: how many there may be, and what an empty one means."""

from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, model_validator

from api.faults import FieldFault, InvalidFieldsError

MAX_FIELDS = 20


class Fields(BaseModel):
    """Known fields and no other. An empty text is as good as none: forms send what nobody filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value != "" or name not in cls.model_fields}


async def few_fields(request: Request) -> None:  # not async, FastAPI would change threads for it
    """For every route: a query of more fields is refused before any of them is looked at, which takes its time."""
    if sum(map(bool, request.scope["query_string"].split(b"&"))) > MAX_FIELDS:
        raise InvalidFieldsError([FieldFault(field="query", message=f"it has more than {MAX_FIELDS} fields.")])
