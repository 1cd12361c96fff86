"""Tasks through the API, on a real database."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core.config import Settings
from core.flow.resources import Resources
from core.ports import Delivery, Message, Queue
from tests.integration.api import tasks

CLIP = Path(__file__).parents[2] / "data" / "librivox-0870.wav"


async def test_a_form_becomes_a_task(client: httpx.AsyncClient, resources: Resources, settings: Settings) -> None:
    """Stored byte by byte with its checksum and every option, announced, and answered with where to look."""
    fields = {"language": "English", "task": "translate", "prompt": "Names.", "temperature": "0.4"}
    fields |= {"word_timestamps": "true", "max_parallel_workers": "2"}
    audio = CLIP.read_bytes()
    response = await client.post("/api/v1/tasks/upload", data=fields, files={"file": ("dir/a.wav", audio)})
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == body["links"]["self"] == f"/api/v1/tasks/{body['task_id']}"
    task = await resources.tasks.get(body["task_id"])
    assert task is not None
    assert (task.options.language, task.options.task, task.options.prompt) == ("en", "translate", "Names.")
    assert (task.options.temperature, task.word_timestamps, task.max_parallel_workers) == (0.4, True, 2)
    assert (task.options.beam_size, task.plan) == (settings.beam_size, settings.cut_plan)
    assert (task.filename, task.upload.size_bytes) == ("a.wav", len(audio))
    assert task.upload.sha256 == hashlib.sha256(audio).hexdigest()
    assert await resources.blobs.get(task.upload.key) == audio
    assert await resources.broker.ready(Queue.TASKS) == 1


async def test_the_first_answer_is_the_one_that_a_poll_gives(client: httpx.AsyncClient) -> None:
    """Nobody has touched the task yet, so the three bodies are equal, to the millisecond of its time."""
    first = (await client.post("/api/v1/tasks", content=CLIP.read_bytes())).json()
    assert (await client.get(first["links"]["self"])).json() == first
    assert (await client.get(first["links"]["status"])).json() == first


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("POST", "/api/v1/tasks?language=en&filename=x/b.wav", "b.wav"),
        ("PUT", "/api/v1/tasks?language=en", "upload"),
        ("PUT", "/api/v1/tasks/?language=en", "upload"),
        ("PUT", "/api/v1/tasks/c%20d.wav?language=en", "c d.wav"),
        ("PUT", "/api/v1/tasks/c.wav?language=en&filename=e.wav", "e.wav"),
        ("PUT", "/api/v1/tasks/c.wav?language=en&filename=&prompt=", "c.wav"),
    ],
)
async def test_curl_s_spellings_of_a_raw_upload(
    client: httpx.AsyncClient, resources: Resources, method: str, path: str, label: str
) -> None:
    """`curl -T` puts, adds the file's name after a slash, and does not follow redirects."""
    response = await client.request(method, path, content=CLIP.read_bytes())
    assert response.status_code == 202
    body = response.json()
    assert (body["filename"], body["language"]) == (label, "en")
    assert await resources.blobs.get(f"uploads/{body['task_id']}") == CLIP.read_bytes()


async def test_a_running_task_tells_its_figures(client: httpx.AsyncClient, resources: Resources) -> None:
    """Counts, seconds and shares as the chunks have them."""
    task = await tasks.cut(resources, 4)
    await tasks.end_chunks(resources, task, done=[0, 1], failed=[2])
    body = (await client.get(f"/api/v1/tasks/{task.id}")).json()
    assert (body["status"], body["language"], body["language_probability"]) == ("processing", "en", 0.98)
    assert (body["chunks_total"], body["chunks_completed"], body["chunks_failed"]) == (4, 2, 1)
    assert (body["duration_seconds"], body["progress"], body["success_rate"]) == (44.0, 0.75, 0.6667)
    assert body["coverage"] == {"transcribed_seconds": 20.0, "silent_seconds": 4.0, "failed_seconds": 10.0}
    assert body["eta_seconds"] >= 0
    assert body["realtime_factor"] > 0


async def test_an_ended_task_accounts_for_every_second(client: httpx.AsyncClient, resources: Resources) -> None:
    """And says why it is only partial."""
    task = await tasks.cut(resources, 3)
    await tasks.end_chunks(resources, task, done=[0, 2], failed=[1])
    body = (await client.get(f"/api/v1/tasks/{task.id}")).json()
    assert (body["status"], body["error"]["code"]) == ("partial", "chunks_failed")
    assert sum(body["coverage"].values()) == body["duration_seconds"]
    assert body["eta_seconds"] == 0.0


async def test_pages_have_every_task_once(client: httpx.AsyncClient, resources: Resources) -> None:
    """Newest first, also where many came in the same millisecond, and whatever comes in between two pages."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = {(await tasks.queued(resources, at=moment + timedelta(seconds=n // 3))).id for n in range(8)}
    seen: list[dict[str, str]] = []
    query = "limit=3"
    while True:
        page = (await client.get(f"/api/v1/tasks?{query}")).json()
        seen += page["tasks"]
        await tasks.queued(resources, at=moment + timedelta(days=len(seen)))
        if page["next_cursor"] is None:
            break
        query = f"limit=3&cursor={page['next_cursor']}"
    assert [task["task_id"] for task in seen if task["task_id"] in made] == [task["task_id"] for task in seen]
    assert {task["task_id"] for task in seen} == made
    assert len(seen) == 8
    assert [task["created_at"] for task in seen] == sorted((task["created_at"] for task in seen), reverse=True)


async def test_a_page_of_one_status(client: httpx.AsyncClient, resources: Resources) -> None:
    """Only those."""
    await tasks.queued(resources)
    broken = await tasks.failed(resources)
    page = (await client.get("/api/v1/tasks?status=failed")).json()
    assert [task["task_id"] for task in page["tasks"]] == [broken.id]
    assert page["next_cursor"] is None
    assert (await client.get("/api/v1/tasks/?status=failed&limit=&cursor=")).json() == page  # where curl uploads to


async def test_chunks_are_listed_in_order_beyond_one_page_of_the_store(
    client: httpx.AsyncClient, resources: Resources
) -> None:
    """Seconds, states and reasons; more of them than are read at once."""
    task = await tasks.cut(resources, 230)
    await tasks.end_chunks(resources, task, done=[0], failed=[1])
    chunks = (await client.get(f"/api/v1/tasks/{task.id}/chunks")).json()["chunks"]
    assert [chunk["index"] for chunk in chunks] == list(range(230))
    assert chunks[0] == {"index": 0, "state": "done", "attempts": 1, "start": 0.0, "end": 10.0, "error": None}
    assert chunks[1]["error"] == {"code": "engine_failed", "message": "It broke."}
    assert (chunks[2]["state"], chunks[2]["start"]) == ("pending", 22.0)


async def test_a_transcript_is_there_before_its_task_has_ended(client: httpx.AsyncClient, resources: Resources) -> None:
    """What is ready, the gaps told, and a header that says whether that is all."""
    task = await tasks.cut(resources, 3)
    await tasks.end_chunks(resources, task, done=[0, 2])
    response = await client.get(f"/api/v1/tasks/{task.id}/transcript")
    assert response.headers["x-transcript-complete"] == "false"
    assert response.json()["text"] == "Window 0. Window 2."
    assert [(gap["start"], gap["reason"]) for gap in response.json()["gaps"]] == [(11.0, "pending")]
    await tasks.end_chunks(resources, task, done=[1])
    response = await client.get(f"/api/v1/tasks/{task.id}/transcript?format=text")
    assert response.headers["x-transcript-complete"] == "true"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.split() == ["Window", "0.", "Window", "1.", "Window", "2."]


@pytest.mark.parametrize("kind", ["json", "verbose_json", "text", "srt", "vtt", "tsv"])
async def test_a_queued_task_has_an_empty_transcript_in_every_format(
    client: httpx.AsyncClient, resources: Resources, kind: str
) -> None:
    """200, and not complete."""
    task = await tasks.queued(resources)
    response = await client.get(f"/api/v1/tasks/{task.id}/transcript?format={kind}")
    assert (response.status_code, response.headers["x-transcript-complete"]) == (200, "false")


async def test_a_failed_task_says_why_instead_of_giving_an_empty_text(
    client: httpx.AsyncClient, resources: Resources
) -> None:
    """409 with the task's own reason; but what was transcribed before the end is given."""
    task = await tasks.failed(resources)
    body = (await client.get(f"/api/v1/tasks/{task.id}/transcript")).json()
    assert (body["status"], body["code"]) == (409, "task_failed")
    assert "There is no sound in it." in body["detail"]


@pytest.mark.parametrize("query", ["format=doc", "format=", "fromat=srt"])
async def test_an_unknown_format_is_refused(client: httpx.AsyncClient, resources: Resources, query: str) -> None:
    """A misspelt parameter too."""
    task = await tasks.queued(resources)
    assert (await client.get(f"/api/v1/tasks/{task.id}/transcript?{query}")).status_code == 422


async def test_cancel_stops_a_task_and_may_be_said_twice(client: httpx.AsyncClient, resources: Resources) -> None:
    """A cancelled task stays readable; one that has ended otherwise cannot be cancelled."""
    task = await tasks.cut(resources, 2)
    await tasks.end_chunks(resources, task, done=[0])
    for _ in range(2):
        response = await client.post(f"/api/v1/tasks/{task.id}/cancel")
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert "Window 0." in (await client.get(f"/api/v1/tasks/{task.id}/transcript?format=text")).text
    response = await client.post(f"/api/v1/tasks/{(await tasks.failed(resources)).id}/cancel")
    assert (response.status_code, response.json()["code"]) == (409, "task_state_conflict")


async def test_retry_opens_the_failed_chunks_only(client: httpx.AsyncClient, resources: Resources) -> None:
    """And announces them."""
    task = await tasks.cut(resources, 3)
    await tasks.end_chunks(resources, task, done=[0, 2], failed=[1])
    response = await client.post(f"/api/v1/tasks/{task.id}/retry")
    assert (response.status_code, response.json()["status"]) == (200, "processing")
    chunks = (await client.get(f"/api/v1/tasks/{task.id}/chunks")).json()["chunks"]
    assert [chunk["state"] for chunk in chunks] == ["done", "queued", "done"]
    assert await resources.broker.ready(Queue.CHUNKS) == 1
    assert (await client.post(f"/api/v1/tasks/{task.id}/retry")).status_code == 409


async def test_delete_leaves_nothing(client: httpx.AsyncClient, resources: Resources, blob_root: Path) -> None:
    """No task, no chunk, no blob; and the second time there is nothing to delete."""
    task = await tasks.cut(resources, 2)
    await resources.blobs.put(f"pcm/{task.id}/000001", b"pcm")
    response = await client.delete(f"/api/v1/tasks/{task.id}")
    assert (response.status_code, response.content) == (204, b"")
    assert [path for path in blob_root.rglob("*") if path.is_file()] == []
    assert not await resources.chunks.known(task.id)
    for path in ("", "/status", "/chunks", "/transcript"):
        assert (await client.get(f"/api/v1/tasks/{task.id}{path}")).status_code == 404
    assert (await client.delete(f"/api/v1/tasks/{task.id}")).status_code == 404


async def test_ready_when_the_database_answers(client: httpx.AsyncClient) -> None:
    """Both checks pass."""
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


async def test_a_message_names_the_task(client: httpx.AsyncClient, resources: Resources) -> None:
    """The wake-up carries the id and nothing else."""
    body = (await client.post("/api/v1/tasks", content=CLIP.read_bytes())).json()
    seen: asyncio.Queue[Message] = asyncio.Queue()

    async def handler(delivery: Delivery) -> None:
        seen.put_nowait(delivery.message)

    stop = await resources.broker.consume(Queue.TASKS, handler, prefetch=1)
    assert await asyncio.wait_for(seen.get(), 5) == Message(task_id=body["task_id"])
    await stop()
