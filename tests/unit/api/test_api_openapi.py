"""The document that clients are generated from."""

from typing import Any

import pytest
from fastapi import FastAPI

from api.openapi import PROBLEMS
from api.options import TaskOptions
from api.schemas import TaskBody

FIELDS = """task_id status filename model language language_probability task created_at started_at finished_at
  duration_seconds chunks_total chunks_completed chunks_failed progress success_rate eta_seconds realtime_factor
  coverage error warnings links"""


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    found: dict[str, Any] = app.openapi()
    return found


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation of every path."""
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_the_routes_are_those_that_are_promised(document: dict[str, Any]) -> None:
    """A route that appears or goes is a change that somebody has to decide."""
    assert {(method.upper(), path) for path, found in document["paths"].items() for method in found} == {
        ("POST", "/api/v1/tasks/upload"),
        ("POST", "/api/v1/tasks"),
        ("PUT", "/api/v1/tasks"),
        ("PUT", "/api/v1/tasks/{name}"),
        ("GET", "/api/v1/tasks"),
        ("GET", "/api/v1/tasks/{task_id}"),
        ("DELETE", "/api/v1/tasks/{task_id}"),
        ("GET", "/api/v1/tasks/{task_id}/status"),
        ("GET", "/api/v1/tasks/{task_id}/chunks"),
        ("GET", "/api/v1/tasks/{task_id}/transcript"),
        ("POST", "/api/v1/tasks/{task_id}/cancel"),
        ("POST", "/api/v1/tasks/{task_id}/retry"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
    }


def test_a_task_has_the_promised_fields_and_no_other() -> None:
    """In the promised order, which is how people read it."""
    assert list(TaskBody.model_fields) == FIELDS.split()


def test_operations_can_be_told_apart(document: dict[str, Any]) -> None:
    """Each has an id of its own, a tag and a summary."""
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(operation["tags"] and operation["summary"] for operation in operations(document))


def test_every_error_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    """No trace of the framework's own error bodies."""
    assert "HTTPValidationError" not in str(document)
    for operation in operations(document):
        if operation["tags"] == ["health"]:
            continue
        errors = {status: found for status, found in operation["responses"].items() if status >= "400"}
        assert {"500", "503"} <= set(errors)
        for found in errors.values():
            assert list(found["content"]) == ["application/problem+json"]


def test_every_error_has_an_example(document: dict[str, Any]) -> None:
    """And each of the known codes is documented at some operation."""
    examples: dict[str, Any] = {}
    for operation in operations(document):
        for found in operation["responses"].values():
            examples |= found.get("content", {}).get("application/problem+json", {}).get("examples", {})
    assert set(examples) == set(PROBLEMS)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Also those of what was put in by hand."""
    schemas = document["components"]["schemas"]
    text = str(document)
    names = [part.split("'")[0] for part in text.split("#/components/schemas/")[1:]]
    assert set(names) <= set(schemas)


def test_both_uploads_offer_the_same_options(document: dict[str, Any]) -> None:
    """The form has the file besides, the query the name."""
    form = document["paths"]["/api/v1/tasks/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    query = [one for one in document["paths"]["/api/v1/tasks"]["post"]["parameters"] if one["in"] == "query"]
    assert set(form["properties"]) == {*TaskOptions.model_fields, "file"}
    assert {parameter["name"] for parameter in query} == {*TaskOptions.model_fields, "filename"}


def test_every_upload_takes_a_key_and_says_when_it_knows_it(document: dict[str, Any]) -> None:
    """The header of the request, the header of the answer, and the refusals that go with them."""
    uploads = [operation for operation in operations(document) if operation["tags"] == ["uploads"]]
    assert len(uploads) == 4
    for operation in uploads:
        assert [one["name"] for one in operation["parameters"] if one["in"] == "header"] == ["Idempotency-Key"]
        assert set(operation["responses"]["202"]["headers"]) == {"Location", "Idempotency-Replayed"}
        assert operation["responses"]["202"]["content"]["application/json"]["schema"]
        assert "idempotency_key_reused" in str(operation["responses"]["422"])
        assert "backlog_full" in str(operation["responses"]["503"])


def test_the_document_is_the_same_every_time(app: FastAPI) -> None:
    """What is put in is not put in twice."""
    assert str(app.openapi()) == str(app.openapi())
