"""The limit on a test's time: what hangs fails, and says where."""

import asyncio
import time

import pytest

from tests.support.time_limit import limited


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


def test_what_hangs_in_a_loop_is_named() -> None:
    """The task is, and not only the loop that waits for it."""
    with pytest.raises(pytest.fail.Exception, match=r"longer than 0 s[\s\S]*in forever"), limited(0.1):
        asyncio.run(forever())


def test_what_hangs_without_a_loop_is_named() -> None:
    """By its own stack."""
    with pytest.raises(pytest.fail.Exception, match="test_what_hangs_without_a_loop"), limited(0.1):
        time.sleep(60)


def test_what_ends_in_time_is_left_alone() -> None:
    """Also afterwards."""
    with limited(0.1):
        pass
    time.sleep(0.3)
