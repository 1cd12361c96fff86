"""How many tasks may wait, and what uploads do while the broker is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.server import ApiServer
from core.adapters.memory_broker import MemoryBroker
from core.config import Settings
from core.errors import BrokerUnavailableError
from core.flow.resources import Resources
from core.ports import Message, Queue
from tests.integration.api import tasks
from tests.integration.api.conftest import serving

MEDIA = b"RIFF\x00\x00\x00\x00WAVE"
MOST = 20
ANSWER_SECONDS = 5.0  # the broker is waited for 2 s


class Away(MemoryBroker):
    """A broker that says of itself that it is away."""

    asked = 0

    async def check(self) -> str | None:
        return "The broker is away."

    async def publish(self, queue: Queue, message: Message) -> None:
        self.asked += 1
        raise BrokerUnavailableError("It is away.")


class Hanging(MemoryBroker):
    """A broker that takes a message and never confirms it, as one that has run out of disk does."""

    async def publish(self, queue: Queue, message: Message) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Few places."""
    return settings.model_copy(update={"max_queued_tasks": MOST})


def client_of(settings: Settings, resources: Resources, **changes: Any) -> httpx.AsyncClient:
    """A client without a network between."""
    app = create_app(settings, replace(resources, **changes))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def test_two_hundred_uploads_at_once_overshoot_by_none(
    client: httpx.AsyncClient, resources: Resources, blob_root: Path
) -> None:
    """As many as fit are accepted, the others refused with a sentence and a time, and nothing is left of them."""
    answers = await asyncio.gather(*(client.put("/api/v1/tasks", content=MEDIA) for _ in range(200)))
    assert sorted(answer.status_code for answer in answers) == [202] * MOST + [503] * (200 - MOST)
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json()["code"] == "backlog_full"
    assert "MAX_QUEUED_TASKS" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    assert len(await resources.tasks.newest()) == MOST
    assert len([path for path in blob_root.rglob("*") if path.is_file()]) == MOST


@pytest.fixture
async def full(settings: Settings, resources: Resources) -> AsyncIterator[ApiServer]:
    """A server whose places are all taken, by uploads that another process accepted."""
    for _ in range(MOST):
        await tasks.queued(resources)
    async for started in serving(ApiServer(create_app(settings, resources), settings)):
        yield started


@pytest.mark.parametrize("request_line", ["PUT /api/v1/tasks", "POST /api/v1/tasks/upload"])
async def test_a_full_backlog_refuses_before_the_body_comes(full: ApiServer, request_line: str) -> None:
    """The answer is there although not one byte of the body was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", full.port)
    head = f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
    writer.write(f"{head}Content-Type: multipart/form-data; boundary=B\r\n\r\n".encode())
    async with asyncio.timeout(1):
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
    writer.close()


async def test_a_full_backlog_is_told_and_ends(full: ApiServer, resources: Resources) -> None:
    """Not ready, but tasks can be looked at; once a worker has taken one, there is a place again."""
    async with httpx.AsyncClient(base_url=full.url) as client:
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "MAX_QUEUED_TASKS=20" in ready.json()["checks"]["backlog"]
        (task, *_) = (await client.get("/api/v1/tasks")).json()["tasks"]
        assert await resources.tasks.claim(task["task_id"], "worker")
        async with asyncio.timeout(10):
            while (await client.put("/api/v1/tasks", content=MEDIA)).status_code != 202:
                pass
        assert (await client.put("/api/v1/tasks", content=MEDIA)).status_code == 503


async def test_uploads_are_accepted_while_the_broker_is_away(settings: Settings, resources: Resources) -> None:
    """Up to the limit; nobody asks a broker that is known to be away, and readiness tells of it."""
    broker = Away()
    async with client_of(settings, resources, broker=broker) as client:
        answers = [await client.put("/api/v1/tasks", content=MEDIA) for _ in range(MOST + 1)]
        assert [answer.status_code for answer in answers] == [202] * MOST + [503]
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["broker"]) == (503, "The broker is away.")
        assert (await client.get("/livez")).status_code == 200
    assert broker.asked == 0


async def test_a_broker_that_hangs_is_not_waited_for(settings: Settings, resources: Resources) -> None:
    """The task is stored, so the sweeper will announce it."""
    async with client_of(settings, resources, broker=Hanging()) as client:
        began = time.monotonic()
        assert (await client.put("/api/v1/tasks", content=MEDIA)).status_code == 202
        assert time.monotonic() - began < ANSWER_SECONDS
    assert len(await resources.tasks.newest()) == 1
