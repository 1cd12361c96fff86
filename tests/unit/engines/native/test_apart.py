"""Arrays that are no part of the heap."""

import mmap
from typing import Any

import numpy as np
import psutil
import pytest

from core.engines.memory import is_exhausted
from core.engines.native import apart as module
from core.engines.native.apart import apart


@pytest.mark.parametrize("whole", [False, True])
def test_its_pages_go_back_to_the_system_when_nobody_has_it_any_more(whole: bool) -> None:
    """A mapping of its own, of zeros, to be written to."""
    values = apart((3, 4), np.int16, whole=whole)
    assert values.shape == (3, 4)
    assert values.dtype == np.int16
    assert not values.any()
    assert values.flags.c_contiguous
    assert values.flags.writeable
    owner: Any = values
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)


def test_nothing_is_an_array_too() -> None:
    """The system maps no empty piece."""
    assert apart((0, 4), np.int8).shape == (0, 4)


def test_where_there_is_no_memory_smaller_batches_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal is told as Python tells its own."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(module.mmap, "mmap", refuse)
    with pytest.raises(MemoryError) as caught:
        apart((8,), np.int8)
    assert is_exhausted(caught.value)


@pytest.mark.parametrize(("whole", "least", "most"), [(True, 0.9, 1.5), (False, 0.0, 0.1)])
def test_its_pages_take_memory_at_once_or_when_they_are_needed(whole: bool, least: float, most: float) -> None:
    """In a piece so large that nothing else counts."""
    before = resident()
    values = apart((128, 1024, 1024), np.int8, whole=whole)
    assert least <= (resident() - before) / values.nbytes <= most


def resident() -> int:
    """Bytes of this process."""
    return int(psutil.Process().memory_info().rss)
