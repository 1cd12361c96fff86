"""A decoder stands by whenever the worker has nothing to do."""

import asyncio
from collections.abc import Callable

import pytest

from worker import standby
from worker.standby import stand_by


class Counted:
    """Decoders of which only the preparing matters here."""

    def __init__(self, refuses: int = 0) -> None:
        self.prepared = 0
        self._refuses = refuses
        self.looked = asyncio.Event()

    def open(self, *_: object) -> None:
        raise NotImplementedError

    async def prepare(self) -> None:
        self.prepared += 1
        self.looked.set()
        if self.prepared <= self._refuses:
            raise BlockingIOError("no process can be started")

    async def close(self) -> None:
        raise NotImplementedError


async def looks(decoders: Counted, at_work: Callable[[], bool], times: int) -> None:
    """Until it was looked whether there is work so often."""
    left = times
    enough = asyncio.Event()

    def answer() -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            enough.set()
        return at_work()

    standing = asyncio.create_task(stand_by(decoders, answer))  # type: ignore[arg-type]
    await asyncio.wait_for(enough.wait(), 10)
    standing.cancel()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks."""
    monkeypatch.setattr(standby, "LOOK_SECONDS", 0.0)


async def test_a_worker_with_nothing_to_do_has_one_prepared() -> None:
    """And again after it was used: preparing what is there already is nothing."""
    decoders = Counted()
    await looks(decoders, lambda: False, 3)
    assert decoders.prepared >= 3


async def test_a_worker_at_work_spends_no_time_on_it() -> None:
    """It would be missing from what is transcribed."""
    decoders = Counted()
    await looks(decoders, lambda: True, 3)
    assert decoders.prepared == 0


async def test_where_none_can_be_started_it_is_tried_again() -> None:
    """A machine that was out of processes for a moment."""
    decoders = Counted(refuses=2)
    await looks(decoders, lambda: False, 4)
    assert decoders.prepared >= 3
