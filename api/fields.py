"""How many fields a request may have: as many in a query as in a form."""

from fastapi import Request

from api.faults import FieldFault, InvalidFieldsError

MAX_FIELDS = 20


async def few_fields(request: Request) -> None:  # not async, FastAPI would change threads for it
    """For every route: a query of more fields is refused before any of them is looked at, which takes its time."""
    if sum(map(bool, request.scope["query_string"].split(b"&"))) > MAX_FIELDS:
        raise InvalidFieldsError([FieldFault(field="query", message=f"it has more than {MAX_FIELDS} fields.")])
