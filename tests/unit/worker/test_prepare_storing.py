"""What the credits are told of windows that were stored."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.models import Cut
from worker.prepare import _Preparation

PCM = np.zeros(1, np.int16)


@pytest.mark.parametrize(("known", "new"), [(set(), 3), ({3}, None), ({3, 4}, None)])
async def test_only_windows_that_were_all_stored_just_now_are_called_new(known, new):
    """One of an earlier attempt may wait for the end of a delay, and is looked at before it is announced."""
    told = []

    async def top_up(task, *, cut, new):
        told.append(new)

    async def nothing(*_):
        return True

    resources = SimpleNamespace(
        blobs=SimpleNamespace(put=nothing), chunks=SimpleNamespace(add=nothing), tasks=SimpleNamespace(note_cut=nothing)
    )
    context = SimpleNamespace(resources=resources, credit=SimpleNamespace(top_up=top_up))
    preparation = _Preparation(context, None, SimpleNamespace(id="t"))
    preparation._known = known
    cuts = [Cut(index=index, start=0, end=1, core_start=0, core_end=1) for index in (3, 4)]
    await preparation._store([(cut, PCM) for cut in cuts])
    assert told == [new]
