"""What the application answers by itself, with its database away."""

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.health import run_checks
from core.config import Settings
from core.flow.resources import Resources
from tests.unit.api.conftest import LIMIT, files_below, problem

MEDIA = b"RIFF\x00\x00\x00\x00WAVE" + bytes(9_000)


async def test_livez_needs_nothing(client: httpx.AsyncClient) -> None:
    """The database is away, and the process lives all the same."""
    assert (await client.get("/livez")).json() == {"status": "ok"}


async def test_readyz_says_what_is_missing(client: httpx.AsyncClient) -> None:
    """503, a sentence for the database, and the disk is fine."""
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["storage"] == "ok"
    assert "MONGO_URL" in response.json()["checks"]["database"]


async def test_readyz_does_not_wait_for_a_frozen_database(settings: Settings, offline: Resources) -> None:
    """A connection that is open and silent is as bad as none."""

    class Frozen:
        async def get(self, task_id: str) -> None:
            await asyncio.Event().wait()

        async def waiting(self, *, limit: int) -> int:
            await asyncio.Event().wait()
            return 0

    frozen = replace(offline, tasks=Frozen())
    context = create_app(settings, frozen).state.context
    checks = await asyncio.wait_for(run_checks(context, deadline_seconds=0.01), 5)
    assert checks["database"] != "ok"


async def test_readyz_asks_the_composition_root_too(settings: Settings, offline: Resources) -> None:
    """Its checks stand beside the API's own."""

    async def ready() -> dict[str, str]:
        return {"model": "Model 'base' is being fetched."}

    transport = httpx.ASGITransport(app=create_app(settings, offline, ready=ready))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/readyz")).json()["checks"]["model"] == "Model 'base' is being fetched."


async def test_readyz_wants_room_for_blobs(app: FastAPI, client: httpx.AsyncClient, blob_root: Path) -> None:
    """A blob directory that is gone is not ready."""
    shutil.rmtree(blob_root)
    assert "cannot be read" in (await client.get("/readyz")).json()["checks"]["storage"]


async def test_an_absent_database_is_told_with_a_time_to_come_back(client: httpx.AsyncClient) -> None:
    """503 and Retry-After."""
    response = await client.get(f"/api/v1/tasks/{uuid4()}")
    problem(response, 503, "store_unavailable")
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v2/tasks"])
async def test_an_unknown_path_is_a_problem_too(client: httpx.AsyncClient, path: str) -> None:
    """Not the framework's own body."""
    problem(await client.get(path), 404, "route_not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/tasks", "GET, POST, PUT"),
        ("/api/v1/tasks/", "GET, POST, PUT"),
        ("/api/v1/tasks/x", "DELETE, GET, PUT"),
        ("/livez", "GET, HEAD"),
        ("/docs", "GET"),
        ("/docs/files/swagger-ui.css", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_names_every_right_one(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    """All of them, although they are several routes, and those too that the document leaves out."""
    response = await client.patch(path)
    body = problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allowed
    assert str(body["detail"]).endswith(f"it takes {allowed}.")


async def test_who_watches_the_process_need_not_read_the_answer(client: httpx.AsyncClient) -> None:
    """HEAD has the status of GET."""
    assert [(await client.head(path)).status_code for path in ("/livez", "/readyz")] == [200, 503]


@pytest.mark.parametrize("task_id", ["x", "1", "%00", "a" * 5_000, "{7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11}"])
@pytest.mark.parametrize(
    "call", ["GET ", "GET /status", "GET /chunks", "GET /transcript", "DELETE ", "POST /cancel", "POST /retry"]
)
async def test_what_is_no_id_is_no_task(client: httpx.AsyncClient, call: str, task_id: str) -> None:
    """404 without asking the database, which is away here and would give 503."""
    method, rest = call.split(" ")
    problem(await client.request(method, f"/api/v1/tasks/{task_id}{rest}"), 404, "task_not_found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "status=done", "cursor=%25", "cursor=" + "A" * 300, "page=2"]
)
async def test_bad_pages_are_refused(client: httpx.AsyncClient, query: str) -> None:
    """Before the database is asked, each naming its field."""
    body = problem(await client.get(f"/api/v1/tasks?{query}"), 422, "invalid_request")
    assert body["errors"][0]["field"] == query.partition("=")[0]  # type: ignore[index]  # a list of objects


async def test_an_internal_error_shows_its_reference_and_nothing_else(
    app: FastAPI, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cause is in the log, under the reference that the client gets."""

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret cause")

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get("/broken")
    body = problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    written = caplog.text + "".join(capsys.readouterr())
    assert "secret cause" in written
    assert str(body["reference"]) in written
    assert body["reference"] == response.headers["x-request-id"]


async def test_every_answer_has_the_same_guards(client: httpx.AsyncClient) -> None:
    """Errors included: types are not guessed, nothing is kept by caches, the server does not name itself."""
    for path in ("/livez", "/nothing", "/api/v1/tasks"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


async def test_two_requests_have_two_ids(client: httpx.AsyncClient) -> None:
    """Or the log could not tell them apart."""
    ids = {(await client.get("/livez")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_a_file_s_name_and_its_query_stay_out_of_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are the client's business: the log names the route."""
    await client.put("/api/v1/tasks/canary.wav?prompt=canary&filename=canary", content=MEDIA)
    written = caplog.text + "".join(capsys.readouterr())
    assert "/tasks/{name}" in written
    assert "canary" not in written


# --- uploads that are refused


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/", "/api/v1/tasks/a.wav"])
async def test_a_declared_length_beyond_the_limit_is_refused_unread(app: FastAPI, blob_root: Path, path: str) -> None:
    """413 before a byte of the body is asked for."""

    async def never_read():
        pytest.fail("the body was read")
        yield b""

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        request = client.build_request("PUT", path, content=b"", headers={"content-length": str(LIMIT + 1)})
        sent = _Refusing(app, request)
        await sent.run()
    assert json.loads(sent.body)["code"] == "upload_too_large"
    assert files_below(blob_root) == []


class _Refusing:
    """One request whose body must not be read before the answer."""

    def __init__(self, app: FastAPI, request: httpx.Request) -> None:
        self.body = b""
        self._app = app
        self._scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "path": request.url.path,
            "query_string": request.url.query,
            "headers": [(key.lower().encode(), value.encode()) for key, value in request.headers.items()],
            "client": None,
        }

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict[str, object]:
        assert self.body, "the body was read before the answer"
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, object]) -> None:
        self.body += message.get("body", b"")  # type: ignore[operator]  # bytes by the protocol


async def test_a_form_declared_beyond_the_limit_is_refused_unread(app: FastAPI) -> None:
    """The slack is for what stands around the file."""
    headers = {"content-type": "multipart/form-data; boundary=B", "content-length": str(LIMIT + 2 * 1024**2)}
    sent = _Refusing(app, httpx.Request("POST", "http://test/api/v1/tasks/upload", headers=headers))
    await sent.run()
    assert json.loads(sent.body)["code"] == "upload_too_large"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"PK\x03\x04" + bytes(10_000), 415, "unsupported_media"),
        (b"#EXTM3U\nfile:///etc/passwd\n", 415, "unsupported_media"),
        (b"just some text, nothing more", 415, "unsupported_media"),
    ],
)
async def test_what_is_no_media_is_refused_on_both_routes(
    client: httpx.AsyncClient, blob_root: Path, content: bytes, status: int, code: str
) -> None:
    """And nothing of it stays."""
    problem(await client.post("/api/v1/tasks", content=content), status, code)
    problem(await client.post("/api/v1/tasks/upload", files={"file": ("a.wav", content)}), status, code)
    assert files_below(blob_root) == []


async def test_a_stream_of_unknown_length_is_stopped_at_the_limit(client: httpx.AsyncClient, blob_root: Path) -> None:
    """Without a Content-Length it is the counting that refuses, and the client is not read to the end."""
    pulled = 0

    async def endless():
        nonlocal pulled
        yield MEDIA
        for pulled in range(1_000):  # noqa: B007  counted for the assertion below
            yield bytes(10_000)

    problem(await client.post("/api/v1/tasks", content=endless()), 413, "upload_too_large")
    assert pulled <= 1_000
    assert files_below(blob_root) == []


async def test_bad_options_leave_nothing_behind(client: httpx.AsyncClient, blob_root: Path) -> None:
    """Also those that come after the file, which is on the disk by then."""
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + MEDIA + b"\r\n"
        b'--B\r\nContent-Disposition: form-data; name="language"\r\n\r\nklingon\r\n--B--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=B"}
    found = problem(await client.post("/api/v1/tasks/upload", content=body, headers=headers), 422, "invalid_request")
    assert found["errors"][0]["field"] == "language"  # type: ignore[index]  # a list of objects
    assert files_below(blob_root) == []


async def test_a_broken_form_leaves_nothing_behind(client: httpx.AsyncClient, blob_root: Path) -> None:
    """Cut off within the file."""
    body = b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + MEDIA
    headers = {"content-type": "multipart/form-data; boundary=B"}
    problem(await client.post("/api/v1/tasks/upload", content=body, headers=headers), 400, "invalid_multipart")
    assert files_below(blob_root) == []


async def test_a_form_is_not_taken_for_a_file(client: httpx.AsyncClient) -> None:
    """And a file not for a form: each answer names the other route."""
    body = problem(await client.post("/api/v1/tasks", files={"file": MEDIA}), 415, "unsupported_body_type")
    assert "/api/v1/tasks/upload" in str(body["detail"])
    body = problem(await client.post("/api/v1/tasks/upload", content=MEDIA), 415, "unsupported_body_type")
    assert "POST /api/v1/tasks" in str(body["detail"])


async def test_options_are_checked_before_the_body_is_read(app: FastAPI) -> None:
    """A typo in the query is told at once, not after 2 GB."""
    request = httpx.Request("PUT", "http://test/api/v1/tasks?langauge=en", content=b"x" * 99_999)
    sent = _Refusing(app, request)
    await sent.run()
    assert json.loads(sent.body)["errors"][0]["field"] == "langauge"
