"""A decoder stands by whenever the worker has nothing to do."""

import asyncio
from collections.abc import Callable

import pytest

from core.errors import DecoderUnavailableError
from worker import standby
from worker.standby import stand_by


class Counted:
    """Decoders of which only the preparing matters here."""

    def __init__(self, refuses: int = 0, error: Exception | None = None) -> None:
        self.prepared = 0
        self._refuses = refuses
        self._error = error

    def open(self, *_: object) -> None:
        raise NotImplementedError

    async def prepare(self) -> None:
        self.prepared += 1
        if self._error and self.prepared <= self._refuses:
            raise self._error

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
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """None is waited for; how long they would have been."""
    told: list[float] = []
    pause = asyncio.sleep

    async def at_once(seconds: float) -> None:
        told.append(seconds)
        await pause(0)

    monkeypatch.setattr(standby.asyncio, "sleep", at_once)
    return told


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


@pytest.mark.parametrize("error", [BlockingIOError("out of processes"), DecoderUnavailableError("it died")])
async def test_where_none_can_be_started_it_is_tried_again_less_and_less_often(
    pauses: list[float], error: Exception
) -> None:
    """A process that dies at its start costs as much as one that lives."""
    decoders = Counted(refuses=9, error=error)
    await looks(decoders, lambda: False, 10)
    assert pauses[:10] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 0.5]
