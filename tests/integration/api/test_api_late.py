"""An API that stands still between storing an upload and storing its task."""

import asyncio
from pathlib import Path

import pytest

from core.config import Settings
from core.flow import acceptance
from core.flow.acceptance import Since
from core.flow.resources import Resources
from core.models import Task
from tests.integration.api.test_api_backlog import MEDIA, client_of

ORPHAN_SECONDS = 0.5


@pytest.fixture
def insert(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database takes a task, and the answer takes too long."""
    insert = resources.tasks.insert

    async def slowly(task: Task) -> bool:
        stored = await insert(task)
        await asyncio.sleep(2 * ORPHAN_SECONDS)
        return stored

    monkeypatch.setattr(resources.tasks, "insert", slowly)


@pytest.mark.usefixtures("insert")
@pytest.mark.parametrize("form", [False, True])
async def test_an_upload_that_may_have_been_removed_meanwhile_is_not_accepted(
    settings: Settings, resources: Resources, blob_root: Path, form: bool
) -> None:
    """Its task would find nothing to prepare. The same key sends it again."""
    slow = settings.model_copy(update={"orphan_seconds": ORPHAN_SECONDS})
    send = {"files": {"file": ("a.wav", MEDIA)}} if form else {"content": MEDIA}
    url, headers = f"/api/v1/tasks{'/upload' if form else ''}", {"Idempotency-Key": "one"}
    async with client_of(slow, resources) as client:
        answer = await client.post(url, headers=headers, **send)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "Retry-After" in answer.headers
        assert await resources.tasks.newest() == []
        assert [path for path in blob_root.rglob("*") if path.is_file()] == []
    async with client_of(settings, resources) as client:
        assert (await client.post(url, headers=headers, **send)).status_code == 202


def test_time_passes_by_whichever_clock_went_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them stands still while a machine sleeps, the other one may be set back."""
    since = Since()
    steady, wall = since.steady, since.wall
    for later in ((steady + 9, wall - 100), (steady, wall + 9)):
        monkeypatch.setattr(acceptance.time, "monotonic", lambda: later[0])  # noqa: B023
        monkeypatch.setattr(acceptance.time, "time", lambda: later[1])  # noqa: B023
        assert since.seconds == pytest.approx(9)
