"""Uploads that share the loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.lanes import Lanes


async def endless() -> AsyncIterator[bytes]:
    """A body that is always there."""
    while True:
        yield b"x"


async def test_only_so_many_parts_are_worked_on_at_once() -> None:
    """And everybody gets on: whoever has taken a part in lets the next one go first."""
    lanes, busy, most, taken = Lanes(2), 0, 0, [0] * 10

    async def upload(number: int) -> None:
        nonlocal busy, most
        async with lanes.parts(endless()) as parts:
            async for _ in parts:
                busy += 1
                most = max(most, busy)
                await asyncio.sleep(0)
                busy -= 1
                taken[number] += 1
                if taken[number] == 20:
                    return

    await asyncio.wait_for(asyncio.gather(*(upload(number) for number in range(10))), 10)
    assert (most, taken) == (2, [20] * 10)


async def test_an_upload_that_breaks_off_gives_its_lane_back() -> None:
    """Refused in the middle, or its client gone."""
    lanes = Lanes(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with lanes.parts(endless()) as parts:
                async for _ in parts:
                    raise ZeroDivisionError
    async with lanes.parts(endless()) as parts:
        assert await anext(parts) == b"x"


async def test_a_client_that_is_waited_for_holds_no_lane() -> None:
    """Else a few slow ones would stop all."""
    lanes = Lanes(1)

    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with lanes.parts(silent()) as slow, lanes.parts(endless()) as quick:
        waiting = asyncio.create_task(anext(slow))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(anext(quick), 5) == b"x"
        waiting.cancel()
        await asyncio.wait([waiting])
