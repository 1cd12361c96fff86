"""What a query may be, whichever route it is for."""

import httpx
import pytest

from api.fields import MAX_FIELDS
from tests.unit.api.conftest import problem

TASK = "/api/v1/tasks/7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11"


@pytest.mark.parametrize("request_line", ["PUT /api/v1/tasks", "GET /api/v1/tasks", f"GET {TASK}/transcript"])
async def test_a_query_of_many_fields_is_refused_in_one_sentence(client: httpx.AsyncClient, request_line: str) -> None:
    """Which names no field: there may be tens of thousands."""
    method, path = request_line.split(" ")
    url = httpx.URL(f"http://test{path}?{'&'.join(f'f{n}' for n in range(8_000))}")
    body = problem(await client.request(method, url), 422, "invalid_request")
    assert body["errors"] == [{"field": "query", "message": f"it has more than {MAX_FIELDS} fields."}]
    assert len(str(body["detail"])) < 200


async def test_as_many_fields_as_promised_are_looked_at(client: httpx.AsyncClient) -> None:
    """The limit itself passes, so each of them is refused by its name."""
    names = [f"f{n}" for n in range(MAX_FIELDS)]
    body = problem(await client.put(f"/api/v1/tasks?{'&&'.join(names)}&"), 422, "invalid_request")
    assert [fault["field"] for fault in body["errors"]] == names  # type: ignore[attr-defined]  # a list of objects
