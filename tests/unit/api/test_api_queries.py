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


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/c.wav"])
async def test_a_name_given_twice_is_refused_as_any_option_is(client: httpx.AsyncClient, path: str) -> None:
    """Nobody can know which of the two was meant."""
    body = problem(await client.put(f"{path}?filename=a.wav&filename=b.wav&langauge="), 422, "invalid_request")
    assert [fault["field"] for fault in body["errors"]] == ["filename", "langauge"]  # type: ignore[attr-defined]


async def test_an_empty_value_for_a_list_is_as_good_as_none(client: httpx.AsyncClient) -> None:
    """As in the options of an upload: it gets as far as to the database, which is away here."""
    problem(await client.get("/api/v1/tasks?status=&limit=&cursor="), 503, "store_unavailable")


async def test_an_unknown_field_without_a_value_is_a_typo_all_the_same(client: httpx.AsyncClient) -> None:
    """It must not go unnoticed."""
    body = problem(await client.get("/api/v1/tasks?state=&limit="), 422, "invalid_request")
    assert [fault["field"] for fault in body["errors"]] == ["state"]  # type: ignore[attr-defined]
