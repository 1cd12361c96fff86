"""Uploads that are sent again with their Idempotency-Key."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from core.config import Settings
from core.flow.resources import Resources
from core.states import TaskStatus
from tests.support.outages import Cable

MEDIA = b"RIFF\x00\x00\x00\x00WAVE" + bytes(5_000)


async def send(client: httpx.AsyncClient, data: bytes = MEDIA, key: str = "k", **options: str) -> httpx.Response:
    """As a body, under a name."""
    options = {"filename": "a.wav", **options}
    return await client.put("/api/v1/tasks", content=data, params=options, headers={"Idempotency-Key": key})


def uploads(blob_root: Path) -> list[Path]:
    """Every upload, unfinished ones included."""
    return [path for folder in ("uploads", ".parts") for path in (blob_root / folder).rglob("*") if path.is_file()]


async def test_a_hundred_equal_uploads_at_once_are_one_task(
    client: httpx.AsyncClient, resources: Resources, blob_root: Path
) -> None:
    """All get the same answer, one of them the first; of the files one is left, and no blob of the others."""
    answers = await asyncio.gather(*(send(client) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count("true") == 99
    (task,) = await resources.tasks.newest()
    assert [path.name for path in uploads(blob_root)] == [task.id]


async def test_the_form_and_the_body_are_the_same_upload(client: httpx.AsyncClient) -> None:
    """The key, the file, the name and the options count, not the route; and quotes around the key do not."""
    first = await send(client, key="abc", language="en")
    form = {"file": ("a.wav", MEDIA)}
    again = await client.post(
        "/api/v1/tasks/upload", files=form, data={"language": "en"}, headers={"Idempotency-Key": '"abc"'}
    )
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()


@pytest.mark.parametrize(
    ("data", "options"),
    [(MEDIA + b"x", {}), (MEDIA, {"filename": "b.wav"}), (MEDIA, {"language": "de"}), (MEDIA, {"temperature": "0.5"})],
    ids=["file", "name", "language", "temperature"],
)
async def test_another_upload_with_the_same_key_is_refused(
    client: httpx.AsyncClient, blob_root: Path, data: bytes, options: dict[str, str]
) -> None:
    """422, a sentence that names the first task, and nothing left of the second file."""
    first = (await send(client)).json()["task_id"]
    refused = await send(client, data, **options)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert first in refused.json()["detail"]
    assert [path.name for path in uploads(blob_root)] == [first]


async def test_other_keys_and_none_are_other_uploads(client: httpx.AsyncClient, resources: Resources) -> None:
    """The same file twice on purpose."""
    for headers in ({}, {}, {"Idempotency-Key": "a"}, {"Idempotency-Key": "b"}):
        assert (await client.put("/api/v1/tasks", content=MEDIA, headers=headers)).status_code == 202
    assert len(await resources.tasks.newest()) == 4


async def test_the_first_answer_comes_again_whatever_became_of_the_task(
    client: httpx.AsyncClient, resources: Resources
) -> None:
    """Word for word, although its language is found meanwhile and it has failed."""
    first = await send(client)
    claimed = await resources.tasks.claim(first.json()["task_id"], "worker")
    assert claimed is not None
    await resources.tasks.start_processing(claimed, "de", 0.9)
    await resources.tasks.end(await resources.tasks.get(claimed.id), TaskStatus.FAILED)
    assert (await send(client)).content == first.content
    assert (await client.get(first.json()["links"]["self"])).json()["language"] == "de"


async def test_a_key_goes_with_its_task(client: httpx.AsyncClient) -> None:
    """Once that is deleted, the same upload is a new task."""
    first = (await send(client)).json()
    assert (await client.delete(first["links"]["self"])).status_code == 204
    again = await send(client)
    assert again.status_code == 202
    assert again.json()["task_id"] != first["task_id"]


async def test_a_key_is_forgotten_in_time(settings: Settings, resources: Resources) -> None:
    """After IDEMPOTENCY_SECONDS it may even come with another file; before that it may not."""
    settings = settings.model_copy(update={"idempotency_seconds": 3_600})
    transport = httpx.ASGITransport(app=create_app(settings, resources))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        first = (await send(client)).json()["task_id"]
        for minutes, status in ((59, 422), (61, 202)):
            task = await resources.tasks.get(first)
            assert task is not None
            await _made(resources, first, task.created_at - timedelta(minutes=minutes))
            answer = await send(client, MEDIA + b"x")
            assert answer.status_code == status
            await _made(resources, first, task.created_at)
        assert (await send(client, MEDIA + b"x")).json()["task_id"] == answer.json()["task_id"]


async def _made(resources: Resources, task_id: str, moment: Any) -> None:
    await resources.tasks._tasks.update_one({"_id": task_id}, {"$set": {"created_at": moment}})


async def test_an_upload_whose_answer_was_lost_is_found_again(settings: Settings, resources: Resources) -> None:
    """503 although its task was stored: sent again it is that task. And one that was not stored is stored then."""
    cable = Cable(resources.tasks)
    transport = httpx.ASGITransport(app=create_app(settings, resources))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        cable.once("insert_one")
        assert (await send(client)).status_code == 503
        assert await resources.tasks.newest() == []
        cable.once_done("insert_one")
        assert (await send(client)).status_code == 503
        (task,) = await resources.tasks.newest()
        again = await send(client)
        assert (again.status_code, again.json()["task_id"]) == (202, task.id)
        assert await resources.blobs.get(task.upload.key) == MEDIA


@pytest.mark.parametrize(
    "key", ["", '""', '"', '"a', 'a"b" c', "a b", "ä", "x" * 256, '"a\\n"'], ids=lambda key: ascii(key)[:12]
)
async def test_what_is_no_key_is_refused(client: httpx.AsyncClient, resources: Resources, key: str) -> None:
    """422 that names the header and says what to send."""
    answer = await client.put("/api/v1/tasks", content=MEDIA, headers=[("Idempotency-Key", key.encode())])
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["field"], "visible ASCII" in fault["message"]) == ("Idempotency-Key", True)
    assert await resources.tasks.newest() == []


async def test_two_keys_are_none(client: httpx.AsyncClient) -> None:
    """Nobody can tell which was meant."""
    answer = await client.put(
        "/api/v1/tasks", content=MEDIA, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    )
    assert answer.status_code == 422
