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


class Slow:
    """Counts that end when told to, each a long time after it began."""

    def __init__(self) -> None:
        self.counts: list[asyncio.Future[int]] = []

    async def count(self) -> int:
        self.counts.append(asyncio.get_running_loop().create_future())
        return await self.counts[-1]

    def backlog(self) -> Backlog:
        return Backlog(self.count, 9, clock=lambda: 100.0 * len(self.counts))

    async def asked_by(self, backlog: Backlog, askers: int) -> list[asyncio.Task[bool]]:
        """So many who have begun to wait."""
        asked = [asyncio.create_task(backlog.full()) for _ in range(askers)]
        for _ in range(3):
            await asyncio.sleep(0)
        return asked


async def test_a_count_that_fails_is_the_only_one_that_its_askers_wait_for() -> None:
    """They would be refused one behind the other, each after a deadline of its own. The next asker counts anew."""
    slow = Slow()
    asked = await slow.asked_by(backlog := slow.backlog(), 5)
    slow.counts[0].set_exception(StoreUnavailableError("away"))
    answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 5
    assert len(slow.counts) == 1
    (later,) = await slow.asked_by(backlog, 1)
    slow.counts[1].set_result(9)
    assert await later


async def test_a_count_that_took_long_is_good_for_all_who_waited_for_it() -> None:
    """Also where the first of them has gone meanwhile."""
    slow = Slow()
    first, *others = await slow.asked_by(slow.backlog(), 5)
    first.cancel()
    slow.counts[0].set_result(9)
    assert await asyncio.wait_for(asyncio.gather(*others), 5) == [True] * 4
    assert len(slow.counts) == 1


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
