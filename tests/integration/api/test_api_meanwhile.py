"""What else happens to a task, its blobs or its database while a request is under way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.health import run_checks
from api.server import ApiServer
from api.streams import all_of
from core.config import Settings
from core.errors import NotFoundError, StoreUnavailableError, TransientError
from core.flow.resources import Resources
from core.models import Chunk, Task
from tests.integration.api import tasks
from tests.integration.api.conftest import serving
from tests.integration.api.wires import Wire


class Instead:
    """A part of the resources, but for what is given."""

    def __init__(self, part: object, **methods: object) -> None:
        self._part = part
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


async def asked(settings: Settings, resources: Resources, method: str, path: str) -> httpx.Response:
    """One request to an application on these resources."""
    transport = httpx.ASGITransport(app=create_app(settings, resources))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path)


@pytest.mark.parametrize("rest", ["transcript", "transcript?format=srt", "chunks"])
async def test_a_task_that_is_deleted_while_it_is_read_is_not_there(
    settings: Settings, resources: Resources, rest: str
) -> None:
    """404 rather than an empty text that says of itself that it is complete."""
    task = await tasks.cut(resources, 2)
    await tasks.end_chunks(resources, task, done=[0, 1])

    async def get(task_id: str) -> Task | None:
        found = await resources.tasks.get(task_id)
        await resources.chunks.purge(task_id)
        return found

    without = replace(resources, tasks=Instead(resources.tasks, get=get))
    response = await asked(settings, without, "GET", f"/api/v1/tasks/{task.id}/{rest}")
    assert (response.status_code, response.json()["code"]) == (404, "task_not_found")


async def test_a_task_that_is_deleted_between_two_pages_ends_its_answer(resources: Resources) -> None:
    """What has been sent cannot be taken back, but it does not look whole either."""
    task = await tasks.cut(resources, 3)

    async def two() -> AsyncIterator[Chunk]:
        async for chunk in resources.chunks.iterate(task.id):
            if chunk.cut.index < 2:
                yield chunk

    chunks = all_of(task, two())
    assert [(await anext(chunks)).cut.index for _ in range(2)] == [0, 1]
    with pytest.raises(NotFoundError, match="deleted while it was read"):
        await anext(chunks)


@pytest.mark.parametrize(("method", "rest", "status"), [("POST", "/cancel", 200), ("DELETE", "", 204)])
async def test_what_is_decided_is_told_though_tidying_up_must_wait(
    settings: Settings, resources: Resources, method: str, rest: str, status: int
) -> None:
    """The blobs are away: a client that is told 503 would try again, and learn that there is no such task."""

    async def away(*keys: str) -> None:
        raise TransientError("The bucket does not answer.", code="storage_unavailable")

    task = await tasks.cut(resources, 2)
    without = replace(resources, blobs=Instead(resources.blobs, delete=away))
    response = await asked(settings, without, method, f"/api/v1/tasks/{task.id}{rest}")
    assert response.status_code == status, response.text
    assert task.id in [each.id async for each in resources.tasks.open()]  # the sweeper does the rest


@pytest.mark.parametrize("rest", ["transcript?format=text", "chunks"])
async def test_a_client_of_http_1_0_is_told_the_length(server: ApiServer, resources: Resources, rest: str) -> None:
    """Its answers end with their connection: one that is cut short would look whole."""
    task = await tasks.cut(resources, 2)
    await tasks.end_chunks(resources, task, done=[0, 1])
    wire = await Wire.to(server)
    await wire.say(f"GET /api/v1/tasks/{task.id}/{rest} HTTP/1.0\nHost: x")
    head, body = (await wire.rest()).split(b"\r\n\r\n", 1)
    await wire.close()
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert b"Window 1." in body or b'"index":1' in body


async def test_a_client_of_http_1_0_is_told_of_a_lost_database(settings: Settings, resources: Resources) -> None:
    """503 also where that happens in the middle of the answer."""
    task = await tasks.cut(resources, 2)
    await tasks.end_chunks(resources, task, done=[0, 1])

    async def lost(task_id: str, *, results: bool = True) -> AsyncIterator[Chunk]:
        async for chunk in resources.chunks.iterate(task_id, results=results):
            yield chunk
            raise StoreUnavailableError("The database did not answer.")

    without = replace(resources, chunks=Instead(resources.chunks, iterate=lost))
    async for server in serving(ApiServer(create_app(settings, without), settings)):
        wire = await Wire.to(server)
        await wire.say(f"GET /api/v1/tasks/{task.id}/transcript?format=text HTTP/1.0\nHost: x")
        assert (await wire.rest()).startswith(b"HTTP/1.1 503")
        await wire.close()


async def test_a_store_that_hangs_is_asked_once(settings: Settings, resources: Resources) -> None:
    """``/readyz`` tells of it in time; asked again and again it does not use up the threads."""
    asked_times, answers = 0, asyncio.Event()

    async def check() -> None:
        nonlocal asked_times
        asked_times += 1
        await answers.wait()

    hanging = replace(resources, blobs=Instead(resources.blobs, check=check))
    context = create_app(settings, hanging).state.context
    for _ in range(3):
        checks = await run_checks(context, deadline_seconds=0.3)
        assert "STORAGE_URL" in checks["storage"]
    assert asked_times == 1
    answers.set()
    assert (await run_checks(context, deadline_seconds=5))["storage"] == "ok"


async def test_a_store_that_refuses_is_not_ready(settings: Settings, resources: Resources) -> None:
    """With its own words: an upload would get the same."""

    async def check() -> None:
        raise TransientError("The bucket does not answer.", code="storage_unavailable")

    response = await asked(settings, replace(resources, blobs=Instead(resources.blobs, check=check)), "GET", "/readyz")
    assert (response.status_code, response.json()["checks"]["storage"]) == (503, "The bucket does not answer.")
