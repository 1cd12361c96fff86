"""Arrays that are no part of the heap."""

import mmap
from typing import Any

import numpy as np
import pytest

from core.engines.memory import is_exhausted
from core.engines.native import apart as module
from core.engines.native.apart import apart


@pytest.mark.parametrize("large_pages", [False, True])
def test_its_pages_go_back_to_the_system_when_nobody_has_it_any_more(large_pages: bool) -> None:
    """A mapping of its own, of zeros, to be written to."""
    values = apart((3, 4), np.int16, large_pages=large_pages)
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
