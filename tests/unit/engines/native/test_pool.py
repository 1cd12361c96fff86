"""Working spaces that threads share."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.engines.native.pool import Pool

THREADS, MOST = 6, 2
PATIENCE_SECONDS = 10.0


def test_nobody_has_what_another_one_has_and_no_more_are_made_than_allowed() -> None:
    """Six threads and two spaces, ten times each."""
    made: list[list[int]] = []
    pool = Pool(lambda: made.append([]) or made[-1], MOST)  # type: ignore[func-returns-value]
    begin = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        begin.wait()
        for _ in range(10):
            with pool.one() as space:
                space.append(thread)
                time.sleep(0.001)  # all others have a turn
                assert space == [thread]
                space.clear()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    assert len(made) == MOST


def test_who_comes_when_all_are_taken_waits_for_the_first_that_is_given_back() -> None:
    """It is that one which the next one gets."""
    pool, got = Pool(object, MOST), threading.Event()
    with ThreadPoolExecutor(1) as threads:

        def third() -> object:
            with pool.one() as space:
                got.set()
                return space

        with pool.one():
            with pool.one() as second:
                later = threads.submit(third)
                assert not got.wait(0.05)
            assert later.result(PATIENCE_SECONDS) is second


def test_one_after_the_other_has_the_same() -> None:
    """No more are made than are needed at once."""
    pool = Pool(object, MOST)
    with pool.one() as first:
        pass
    with pool.one() as second, pool.one() as other:
        assert second is first
        assert other is not first
    with pool.one() as again, pool.one() as last:
        assert {again, last} == {second, other}


def test_a_failure_gives_it_back() -> None:
    """Also one for which there was no memory: there is another try."""
    answers = iter([MemoryError("no room"), "a", "b"])

    def scarce() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    pool = Pool(scarce, 1)
    with pytest.raises(MemoryError), pool.one():
        pass
    with pytest.raises(ValueError, match="broken"), pool.one():
        raise ValueError("broken")
    with pool.one() as space:
        assert space == "a"
