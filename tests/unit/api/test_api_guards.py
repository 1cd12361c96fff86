"""The guards of the API, each on its own: places in the backlog, the watch on the database, keys, room."""

import asyncio
import contextlib
import math
import time
from pathlib import Path
from typing import Any

import pytest

from api import availability
from api.availability import Availability
from api.backlog import Backlog
from api.idempotency import parse_key
from api.room import check_room
from core.config import Settings
from core.errors import StorageFullError, StoreUnavailableError, TransientError


class Waiting:
    """So many tasks wait; how often that was asked, and when it is."""

    def __init__(self, tasks: int) -> None:
        self.tasks, self.asked, self.now = tasks, 0, 100.0

    async def count(self) -> int:
        self.asked += 1
        found = self.tasks
        await asyncio.sleep(0)
        return found

    def backlog(self, most: int) -> Backlog:
        return Backlog(self.count, most, clock=lambda: self.now)


async def test_places_are_counted_once_a_second() -> None:
    """In between the process knows what it has let in; a count that comes later puts both together right."""
    waiting = Waiting(3)
    backlog = waiting.backlog(5)
    for _ in range(2):
        async with backlog.place():
            waiting.tasks += 1
    assert waiting.asked == 1
    with pytest.raises(TransientError):
        async with backlog.place():
            pass
    waiting.tasks, waiting.now = 4, waiting.now + 1
    async with backlog.place():
        assert not await backlog.full()
        waiting.tasks += 1
    assert await backlog.full()
    assert waiting.asked == 2


async def test_an_upload_that_fails_gives_its_place_back() -> None:
    """Whatever became of it."""
    backlog = Waiting(0).backlog(1)
    for _ in range(3):
        with contextlib.suppress(ZeroDivisionError):
            async with backlog.place():
                raise ZeroDivisionError
    async with backlog.place():
        with pytest.raises(TransientError) as refused:
            async with backlog.place():
                pass
    assert refused.value.code == "backlog_full"


async def test_what_comes_in_during_a_count_is_not_forgotten() -> None:
    """The count may have missed it."""
    waiting = Waiting(0)
    backlog = waiting.backlog(2)
    async with backlog.place():
        waiting.now += 1
        counting = asyncio.create_task(backlog.full())
        await asyncio.sleep(0)
    await counting
    async with backlog.place():
        with pytest.raises(TransientError):
            async with backlog.place():
                pass


class Store:
    """A database that is away, silent or there."""

    failures = 0.0
    silent = False

    async def ask(self) -> None:
        if self.silent:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")


@pytest.mark.parametrize("broken", [{"failures": math.inf}, {"silent": True}], ids=["refuses", "silent"])
async def test_what_does_not_answer_is_away_until_it_does(broken: dict[str, float], monkeypatch: Any) -> None:
    """Refused from the first look that finds it so, and served again from the first that finds it there."""
    monkeypatch.setattr(availability, "LOOK_SECONDS", 0.2)
    store = Store()
    watched = Availability(store.ask)
    watched.check()
    vars(store).update(broken)
    assert not await watched.look()
    with pytest.raises(StoreUnavailableError):
        watched.check()
    vars(store).clear()
    assert await watched.look()
    watched.check()


async def test_a_connection_that_breaks_is_not_a_database_that_is_away() -> None:
    """It is asked again within the same look."""
    store = Store()
    store.failures = 1
    assert await Availability(store.ask).look()


async def test_a_process_that_was_held_up_does_not_blame_the_database() -> None:
    """The answer came meanwhile, but the clock had run out before anybody could look at it."""

    async def ask() -> None:
        for _ in range(5):
            await asyncio.sleep(0.01)
            time.sleep(0.7)  # noqa: ASYNC251 - the loop stands still, as it does where there is no processor

    assert await Availability(ask).look()


async def test_a_database_that_is_broken_otherwise_is_there() -> None:
    """Whatever is wrong shows in the answers to requests; the watch goes on."""

    async def ask() -> None:
        raise ZeroDivisionError

    assert await Availability(ask).look()


def test_quotes_are_no_part_of_a_key() -> None:
    """Nor is what escapes within them."""
    assert parse_key([]) is None
    assert parse_key(['"a-b"']) == parse_key(["a-b"]) == parse_key([" a-b "])
    assert parse_key(['"a\\"b"']) == parse_key(['"a\\"b"']) != parse_key(['"ab"'])
    assert parse_key(["x" * 255]) != parse_key(["x" * 254])


async def test_what_does_not_fit_is_refused_by_its_length(settings: Settings, tmp_path: Path) -> None:
    """Only where the length is told, and the disk is one of this machine."""
    settings = settings.model_copy(update={"storage_url": tmp_path.as_uri()})
    with pytest.raises(StorageFullError):
        await check_room(settings, str(10**18))
    for declared in ("1", None, "many"):
        await check_room(settings, declared)
    await check_room(settings.model_copy(update={"storage_url": "s3://bucket/folder"}), str(10**18))
    await check_room(settings.model_copy(update={"storage_url": "file:///not/there"}), str(10**18))
