"""What the credits are told of windows that were stored."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.models import Cut
from worker import prepare
from worker.prepare import _Preparation

PCM = np.zeros(1, np.int16)


class Credit:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.new: list[int | None] = []
        self.cut: list[int] = []

    async def top_up(self, _task, *, cut, new) -> bool:
        """All that may be are announced."""
        self.new.append(new)
        return True

    def note_cut(self, _task_id, count) -> None:
        """So far."""
        self.cut.append(count)


def preparation(credit: Credit) -> _Preparation:
    """Of a task of which everything is stored at once."""

    async def nothing(*_):
        return True

    resources = SimpleNamespace(
        blobs=SimpleNamespace(put=nothing), chunks=SimpleNamespace(add=nothing), tasks=SimpleNamespace(note_cut=nothing)
    )
    return _Preparation(SimpleNamespace(resources=resources, credit=credit), None, SimpleNamespace(id="t"), None)


def windows(*indexes: int) -> list[tuple[Cut, np.ndarray]]:
    """Whose audio does not matter."""
    return [(Cut(index=index, start=0, end=1, core_start=0, core_end=1), PCM) for index in indexes]


@pytest.mark.parametrize(("known", "new"), [(set(), 3), ({3}, None), ({3, 4}, None)])
async def test_only_windows_that_were_all_stored_just_now_are_called_new(known, new):
    """One of an earlier attempt may wait for the end of a delay, and is looked at before it is announced."""
    credit = Credit()
    storing = preparation(credit)
    storing._known = known
    await storing._store(windows(3, 4))
    assert credit.new == [new]


async def test_what_is_stored_is_told_at_once_also_where_no_more_may_be_announced(monkeypatch):
    """Whoever ends a chunk goes on with it, though the file may not be cut further for long."""
    monkeypatch.setattr(prepare, "FULL_SECONDS", 3600.0)
    credit = Credit()
    storing = preparation(credit)
    await storing._store(windows(0, 1))
    await storing._store(windows(2))
    assert (credit.cut, credit.new) == ([2, 3], [0])


@pytest.mark.parametrize(("fence", "known"), [(1, set()), (2, {0, 7})])
async def test_who_claims_a_task_first_does_not_ask_what_is_stored_of_it(fence, known):
    """Each claim raises the fence; whoever comes second must not store again what is there."""

    async def stored(_: str) -> set[int]:
        return {0, 7}

    begun = preparation(Credit())
    begun._resources.chunks.known = stored
    begun._task.fence = fence
    assert await begun._stored_before() == known
